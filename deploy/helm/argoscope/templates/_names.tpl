{{/* One name for everything; another release in the same namespace gets its own. */}}
{{- define "argoscope.name" -}}
{{- if contains "argoscope" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-argoscope" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "argoscope.account" -}}
{{ .Values.serviceAccount.name | default (include "argoscope.name" .) }}
{{- end }}

{{- define "argoscope.labels" -}}
app.kubernetes.io/name: argoscope
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "argoscope.selector" -}}
app.kubernetes.io/name: argoscope
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: daemon
{{- end }}

{{- define "argoscope.gatewaySelector" -}}
app.kubernetes.io/name: argoscope
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "argoscope.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What the daemon is told that decides which permissions it needs; the same for the pod of `helm test`. */}}
{{- define "argoscope.cluster" -}}
{{- $rules := .Files.Get "files/rbac/rules.yaml" | fromYaml }}
{{- if .Values.ledger.enabled }}
- name: ARGOSCOPE_LEDGER
  value: /var/lib/argoscope
{{- end }}
{{- if .Values.namespaced.enabled }}
- name: ARGOSCOPE_NAMESPACES
  {{- if .Values.namespaced.namespaces }}
  value: {{ join "," .Values.namespaced.namespaces | quote }}
  {{- else }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
  {{- end }}
- name: ARGOSCOPE_RESOURCES_DISABLED
  value: {{ join "," $rules.withoutNamespace }}
{{- end }}
{{- if .Values.config }}
- name: ARGOSCOPE_CONFIG
  value: /etc/argoscope/config/config.yaml
{{- end }}
{{- if .Values.authentication.enabled }}
- name: ARGOSCOPE_AUTHENTICATION_TOKENS
  value: review
{{- end }}
{{- end }}

{{/* Where the daemon sends OTLP to. */}}
{{- define "argoscope.otlpEndpoint" -}}
{{ ternary (printf "http://%s-gateway:4318" (include "argoscope.name" .)) .Values.otlp.endpoint .Values.gateway.enabled }}
{{- end }}

{{/* Ports to let out for an endpoint of OTLP: the usual ones, and its own. */}}
{{- define "argoscope.otlpPorts" -}}
{{- $authority := regexReplaceAll "^([a-z]+://)?([^/?#]*).*$" . "${2}" }}
{{- $own := regexFind ":[0-9]+$" $authority | trimPrefix ":" | default (ternary "443" "80" (hasPrefix "https:" .)) }}
{{- list 4317 4318 (int $own) | uniq | toJson }}
{{- end }}

{{- define "argoscope.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
{{- end }}

{{- define "argoscope.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
