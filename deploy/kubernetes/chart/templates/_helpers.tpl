{{/* Labels of a program's pods, by which Services, budgets and policies find them. */}}
{{- define "airwarden.selector" -}}
app.kubernetes.io/name: airwarden
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "airwarden.labels" -}}
{{ include "airwarden.selector" . }}
app.kubernetes.io/part-of: airwarden
{{- end }}

{{- define "airwarden.settings" -}}
{{- if kindIs "map" .Values.settings }}{{ toYaml .Values.settings }}
{{- else if .Values.settings }}{{ .Values.settings }}
{{- else }}{{ .Files.Get "files/airwarden.yaml" }}
{{- end }}
{{- end }}

{{/* Refuse settings that would do harm with these values. */}}
{{- define "airwarden.sensible" -}}
{{- $settings := include "airwarden.settings" . | fromYaml }}
{{- with $settings.Error }}{{ fail (printf "settings: no YAML: %s" .) }}{{ end }}
{{- $exporter := $settings.exporter | default dict }}
{{- $remediator := $settings.remediator | default dict }}
{{- $journal := $remediator.journal | default dict }}
{{- $shared := or $journal.url_file $journal.url_env (hasPrefix "postgresql" ($journal.url | default "")) }}
{{- if and (gt (int .Values.remediator.replicas) 1) (not $shared) }}
{{- fail "remediator.replicas: without a journal on PostgreSQL (settings, remediator.journal) each of them would act by itself" }}
{{- end }}
{{- if and (gt (int .Values.exporter.replicas) 1) (not (hasKey $exporter "lease")) }}
{{- fail "exporter.replicas: without exporter.lease in the settings all of them would count everything" }}
{{- end }}
{{- range $name, $program := dict "exporter" $exporter "remediator" $remediator }}
{{- if ($program.tls | default dict).client_ca_file }}
{{- fail (printf "settings, %s.tls.client_ca_file: the probes of the kubelet show no certificate" $name) }}
{{- end }}
{{- end }}
{{- $named := list }}
{{- range $settings.clusters }}
{{- with ((.host | default dict).kubernetes) }}
{{- if not .kubeconfig }}{{ $named = append $named .namespace }}{{ end }}
{{- end }}
{{- end }}
{{- if and $named (not (has .Values.airflowNamespace $named)) }}
{{- fail (printf "airflowNamespace: %s, and the settings name %s (clusters[].host.kubernetes.namespace): the Roles would be elsewhere" .Values.airflowNamespace (join ", " $named)) }}
{{- end }}
{{- end }}

{{/* Whether a program serves HTTPS by its settings, as a word or nothing: root and its name. */}}
{{- define "airwarden.https" -}}
{{- $settings := include "airwarden.settings" .root | fromYaml }}
{{- if (index $settings .name | default dict).tls }}https{{ end }}
{{- end }}

{{/* Deployment, Service and budget of one program: root, its name, port and values. */}}
{{- define "airwarden.program" -}}
{{- $root := .root }}
{{- $scheme := include "airwarden.https" . | upper }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: airwarden-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "airwarden.labels" .name | nindent 4 }}
spec:
  replicas: {{ .values.replicas }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "airwarden.selector" .name | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "airwarden.labels" .name | nindent 8 }}
      annotations:
        # A change of the settings rolls the pods over.
        checksum/settings: {{ include "airwarden.settings" $root | sha256sum }}
    spec:
      serviceAccountName: airwarden-{{ .name }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      terminationGracePeriodSeconds: 15
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations: {{ toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: DoNotSchedule
          nodeTaintsPolicy: Honor
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels:
              {{- include "airwarden.selector" .name | nindent 14 }}
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "airwarden.selector" .name | nindent 14 }}
      containers:
        - name: {{ .name }}
          image: {{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [{{ .name }}, --log-format, json]
          ports:
            - {name: http, containerPort: {{ .port }}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          resources: {{ toYaml .values.resources | nindent 12 }}
          startupProbe:
            httpGet: {path: /healthz, port: http{{ with $scheme }}, scheme: {{ . }}{{ end }}}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: http{{ with $scheme }}, scheme: {{ . }}{{ end }}}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: http{{ with $scheme }}, scheme: {{ . }}{{ end }}}
            periodSeconds: 5
            timeoutSeconds: 3
          volumeMounts:
            - {name: settings, mountPath: /etc/airwarden, readOnly: true}
            - {name: secrets, mountPath: /var/run/secrets/airwarden, readOnly: true}
            - {name: state, mountPath: /var/lib/airwarden}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - name: settings
          configMap: {name: airwarden-settings}
        - name: secrets
          secret: {secretName: {{ $root.Values.secretName }}, defaultMode: 0440}
        - name: state
          {{- if .values.stateClaim }}
          persistentVolumeClaim: {claimName: {{ .values.stateClaim }}}
          {{- else }}
          emptyDir: {sizeLimit: {{ .state }}}
          {{- end }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
---
apiVersion: v1
kind: Service
metadata:
  name: airwarden-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "airwarden.labels" .name | nindent 4 }}
spec:
  selector:
    {{- include "airwarden.selector" .name | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: airwarden-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "airwarden.labels" .name | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "airwarden.selector" .name | nindent 6 }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: airwarden-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "airwarden.labels" .name | nindent 4 }}
automountServiceAccountToken: false
{{- if $root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: airwarden-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "airwarden.labels" .name | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "airwarden.selector" .name | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {{ $root.Values.networkPolicy.monitoringNamespace | default (dict "kubernetes.io/metadata.name" "monitoring") | toYaml | nindent 14 }}
        {{- with .from }}
        - podSelector:
            matchLabels:
              {{- include "airwarden.selector" . | nindent 14 }}
        {{- end }}
        {{- with $root.Values.networkPolicy.extraFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {protocol: TCP, port: http}
  egress:
    - ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    - ports:
        {{- range concat .egress $root.Values.networkPolicy.extraEgressPorts }}
        - {protocol: TCP, port: {{ . }}}
        {{- end }}
{{- end }}
{{- end }}
