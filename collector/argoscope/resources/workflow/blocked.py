"""What holds a workflow or node back, by the message that Argo writes."""

WAITING = "Waiting for "


def blocked_reason(message: str) -> str:
    """Why a node has no pod: quota, forbidden, lock, parallelism; empty when nothing says so."""
    if message.startswith(WAITING) and " lock" in message:
        return "lock"
    if "exceeded quota" in message or "rate-limit" in message:
        return "quota"
    if " is forbidden" in message:
        return "forbidden"
    if "too many workflows are already running" in message or "parallelism" in message:
        return "parallelism"
    return ""
