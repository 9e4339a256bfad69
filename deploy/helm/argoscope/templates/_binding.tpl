{{/* (dict "root" . "name" ... "rules" ... "namespace" ...): a role and its binding; of the cluster without a namespace. */}}
{{- define "argoscope.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "Role" "ClusterRole" (ne .namespace "") }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "argoscope.labels" .root | nindent 4 }}
rules:
  {{- toYaml .rules | nindent 2 }}
{{- end }}

{{- define "argoscope.roleAndBinding" -}}
{{ include "argoscope.role" . }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne .namespace "") }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "argoscope.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ ternary "Role" "ClusterRole" (ne .namespace "") }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "argoscope.account" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
