package integration

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// invalidJob is a template with a payload that makes a valid Job and one that makes an invalid one.
type invalidJob struct {
	reason    string
	change    func(spec *batchv1.JobTemplateSpec, pod *corev1.PodSpec, c *corev1.Container)
	good, bad string
	field     string // below spec.jobTemplate
}

const (
	payload_ = "{{ .Payload }}"
	podField = "spec.template.spec."
	ofEcho   = podField + "containers[0]."
)

var invalidJobs = []invalidJob{
	{"a label", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
		spec.Labels = map[string]string{"branch": marker + payload_}
	}, "main", "refs/heads/main", "metadata.labels[branch]"},
	{"a label of the pod", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
		spec.Spec.Template.Labels = map[string]string{"branch": payload_ + marker}
	}, "main", "refs/heads/main", "spec.template.metadata.labels[branch]"},
	{"the name", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
		spec.Name = "x-" + payload_
	}, "a", strings.Repeat("a", 62), "metadata.name"},
	{"characters of the name", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
		spec.Name = "x-" + payload_
	}, "b", "Team_A", "metadata.name"},
	{"annotations that are large together", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.Env = nil
		spec.Spec.Template.Annotations = map[string]string{"payload": payload_, "other": strings.Repeat("x", 200)}
	}, "a", strings.Repeat("a", 262_000), "spec.template.metadata.annotations"},
	{"an annotation that Kubernetes reads", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
		spec.Spec.Template.Annotations = map[string]string{corev1.PodDeletionCost: payload_}
	}, "7", "seven", "spec.template.metadata.annotations[" + corev1.PodDeletionCost + "]"},
	{"an image", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.Image = payload_
	}, "alpine", "", ofEcho + "image"},
	{"the name of a variable", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.Env[0].Name = payload_
	}, "A", "a=b", ofEcho + "env[0].name"},
	{"a value beside valueFrom", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.Env = []corev1.EnvVar{{Name: "A", Value: payload_, ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
	}, "", "x", ofEcho + "env[0].valueFrom"},
	{"the key of a Secret", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: payload_}}}}
	}, "k", "a/b", ofEcho + "env[0].valueFrom.secretKeyRef.key"},
	{"a path in a volume", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, c *corev1.Container) {
		pod.Volumes = []corev1.Volume{{Name: "v"}}
		c.VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v", SubPath: payload_}}
	}, "a", "../../etc", ofEcho + "volumeMounts[0].subPath"},
	{"a mount", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, c *corev1.Container) {
		pod.Volumes = []corev1.Volume{{Name: "v"}}
		c.VolumeMounts = []corev1.VolumeMount{{Name: payload_, MountPath: "/v"}}
	}, "v", "w", ofEcho + "volumeMounts[0].name"},
	{"a volume", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.Volumes = []corev1.Volume{{Name: payload_}}
	}, "v", "V_", podField + "volumes[0].name"},
	{"the name of a ConfigMap", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: payload_}}}}}
	}, "c", "", podField + "volumes[0].configMap.name"},
	{"a service account", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.ServiceAccountName = payload_
	}, "default", "Team_A", podField + "serviceAccountName"},
	{"a node selector", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.NodeSelector = map[string]string{"zone": payload_}
	}, "a", "a b", podField + "nodeSelector[zone]"},
	{"an affinity", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		terms := []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{payload_}}}}}
		pod.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}
	}, "a", "a b", podField + "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution." +
		"nodeSelectorTerms[0].matchExpressions[0].values[0]"},
	{"a toleration", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.Tolerations = []corev1.Toleration{{Key: payload_, Operator: corev1.TolerationOpExists}}
	}, "a", "a b", podField + "tolerations[0].key"},
	{"a port of a probe", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(payload_)}}}
	}, "80", "70000", ofEcho + "livenessProbe.tcpSocket.port"},
	{"the name of a port", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.Ports = []corev1.ContainerPort{{ContainerPort: 80, Name: payload_}}
	}, "web", "web server", ofEcho + "ports[0].name"},
	{"an address of a host", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.HostAliases = []corev1.HostAlias{{IP: payload_, Hostnames: []string{"a"}}}
	}, "10.0.0.1", "10.0.0", podField + "hostAliases[0].ip"},
	{"a name of a host", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{payload_}}}
	}, "a", "a_b", podField + "hostAliases[0].hostnames[0]"},
	{"the hostname", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.Hostname = payload_
	}, "a", "A.b", podField + "hostname"},
	{"the restart policy", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.RestartPolicy = payload_
	}, "Never", "Always", podField + "restartPolicy"},
	{"an enumeration", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
		c.ImagePullPolicy = payload_
	}, "Always", "Sometimes", ofEcho + "imagePullPolicy"},
	{"a class", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.RuntimeClassName = new(payload_)
	}, "a", "A", podField + "runtimeClassName"},
	{"a container of a policy", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
		spec.Spec.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
			Action: batchv1.PodFailurePolicyActionIgnore,
			OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{ContainerName: new(payload_),
				Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{1}},
		}}}
	}, "echo", "other", "spec.podFailurePolicy.rules[0].onExitCodes.containerName"},
	{"who manages it", func(spec *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
		spec.Spec.ManagedBy = new(payload_)
	}, "example.com/x", "x", "spec.managedBy"},
	{"a selector", func(_ *batchv1.JobTemplateSpec, pod *corev1.PodSpec, _ *corev1.Container) {
		pod.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": payload_}}}}
	}, "a", "a b", podField + "topologySpreadConstraints[0].labelSelector.matchLabels[a]"},
}

// templateFor returns the template of a case.
func templateFor(test invalidJob, name string) func(*dispatcherv1alpha1.JobTemplate) {
	return func(template *dispatcherv1alpha1.JobTemplate) {
		template.Name = name
		template.Spec.SamplePayload = new(test.good)
		spec := &template.Spec.JobTemplate
		test.change(spec, &spec.Spec.Template.Spec, &spec.Spec.Template.Spec.Containers[0])
	}
}
