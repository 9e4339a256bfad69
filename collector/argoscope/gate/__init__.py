"""Who is let in to what the daemon serves: TLS, client certificates, tokens."""
