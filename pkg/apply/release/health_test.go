package release

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/apply"
)

// judgements are objects and what the rules of a wait say of them.
func judgements(t *testing.T, rules map[schema.GroupKind]apply.Rule, cases map[string]struct {
	kind schema.GroupKind
	obj  string
	want status.Status
}) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var obj map[string]any
			if err := yaml.Unmarshal([]byte(c.obj), &obj); err != nil {
				t.Fatal(err)
			}
			whole(obj)
			got, why, err := rules[c.kind](obj)
			if err != nil || got != c.want || (why == "") != (got == status.CurrentStatus) {
				t.Errorf("got %s (%s), want %s (%v)", got, why, c.want, err)
			}
		})
	}
}

// whole turns numbers into integers, as the API machinery decodes them.
func whole(obj map[string]any) {
	for k, v := range obj {
		switch v := v.(type) {
		case float64:
			obj[k] = int64(v)
		case map[string]any:
			whole(v)
		}
	}
}

// The rules of Helm 3.
func TestLegacyRules(t *testing.T) {
	set := func(kind string) schema.GroupKind { return schema.GroupKind{Group: "apps", Kind: kind} }
	judgements(t, legacyRules(), map[string]struct {
		kind schema.GroupKind
		obj  string
		want status.Status
	}{
		"a ready Pod":                 {kindPod, "status: {conditions: [{type: Ready, status: 'True'}]}", status.CurrentStatus},
		"a Pod":                       {kindPod, "status: {phase: Running}", status.InProgressStatus},
		"a Deployment short of one":   {kindDeployment, "spec: {replicas: 4}\nstatus: {readyReplicas: 3}", status.CurrentStatus},
		"a Deployment short of two":   {kindDeployment, "spec: {replicas: 4}\nstatus: {readyReplicas: 2}", status.InProgressStatus},
		"a Deployment that recreates": {kindDeployment, "spec: {replicas: 4, strategy: {type: Recreate}}\nstatus: {readyReplicas: 3}", status.InProgressStatus},
		"a Deployment not seen":       {kindDeployment, "metadata: {generation: 2}\nspec: {replicas: 1}\nstatus: {readyReplicas: 1}", status.InProgressStatus},
		"a paused Deployment":         {kindDeployment, "spec: {paused: true, replicas: 3}", status.CurrentStatus},
		"a DaemonSet":                 {set("DaemonSet"), "status: {desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 1}", status.CurrentStatus},
		"a DaemonSet not updated":     {set("DaemonSet"), "status: {desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberReady: 2}", status.InProgressStatus},
		"a DaemonSet by hand":         {set("DaemonSet"), "spec: {updateStrategy: {type: OnDelete}}\nstatus: {desiredNumberScheduled: 2}", status.CurrentStatus},
		"a StatefulSet":               {set("StatefulSet"), "spec: {replicas: 2}\nstatus: {updatedReplicas: 2, readyReplicas: 2}", status.CurrentStatus},
		"a StatefulSet on its way":    {set("StatefulSet"), "spec: {replicas: 2}\nstatus: {updatedReplicas: 2, readyReplicas: 2, currentRevision: a, updateRevision: b}", status.InProgressStatus},
		"a StatefulSet in parts":      {set("StatefulSet"), "spec: {replicas: 2, updateStrategy: {rollingUpdate: {partition: 1}}}\nstatus: {updatedReplicas: 1, readyReplicas: 2, currentRevision: a, updateRevision: b}", status.CurrentStatus},
		"a StatefulSet by hand":       {set("StatefulSet"), "spec: {replicas: 2, updateStrategy: {type: OnDelete}}", status.CurrentStatus},
		"a ReplicaSet":                {set("ReplicaSet"), "spec: {replicas: 2}\nstatus: {readyReplicas: 1}", status.InProgressStatus},
		"a bound claim":               {schema.GroupKind{Kind: "PersistentVolumeClaim"}, "status: {phase: Bound}", status.CurrentStatus},
		"a claim":                     {schema.GroupKind{Kind: "PersistentVolumeClaim"}, "status: {phase: Pending}", status.InProgressStatus},
		"a Service":                   {schema.GroupKind{Kind: "Service"}, "spec: {clusterIP: 1.2.3.4}", status.CurrentStatus},
		"a Service without address":   {schema.GroupKind{Kind: "Service"}, "spec: {}", status.InProgressStatus},
		"a name elsewhere":            {schema.GroupKind{Kind: "Service"}, "spec: {type: ExternalName}", status.CurrentStatus},
		"a balanced Service":          {schema.GroupKind{Kind: "Service"}, "spec: {type: LoadBalancer, clusterIP: 1.2.3.4}\nstatus: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}", status.CurrentStatus},
		"a Service to be balanced":    {schema.GroupKind{Kind: "Service"}, "spec: {type: LoadBalancer, clusterIP: 1.2.3.4}", status.InProgressStatus},
		"a Service with addresses":    {schema.GroupKind{Kind: "Service"}, "spec: {type: LoadBalancer, clusterIP: 1.2.3.4, externalIPs: [a]}", status.CurrentStatus},
		"a Job":                       {kindJob, "status: {active: 1}", status.CurrentStatus},
	})
}

// What is waited for of hooks.
func TestHookRules(t *testing.T) {
	judgements(t, map[schema.GroupKind]apply.Rule{kindJob: completeJob, kindPod: endedPod}, map[string]struct {
		kind schema.GroupKind
		obj  string
		want status.Status
	}{
		"a Job":              {kindJob, "status: {active: 1}", status.InProgressStatus},
		"a complete Job":     {kindJob, "status: {conditions: [{type: Complete, status: 'True'}]}", status.CurrentStatus},
		"a failed Job":       {kindJob, "status: {failed: 3, conditions: [{type: Failed, status: 'True', message: m}]}", status.FailedStatus},
		"a running Pod":      {kindPod, "status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}", status.InProgressStatus},
		"a Pod":              {kindPod, "{}", status.InProgressStatus},
		"a Pod that is done": {kindPod, "status: {phase: Succeeded}", status.CurrentStatus},
		"a failed Pod":       {kindPod, "status: {phase: Failed, message: m}", status.FailedStatus},
	})
}

// Rules are made once, because records depend on which they are.
func TestRulesAreTheSame(t *testing.T) {
	for _, h := range []*Health{nil, NewHealth(map[schema.GroupKind]apply.Rule{{Group: "x"}: generally})} {
		for _, wait := range []Wait{WaitPoller, WaitLegacy} {
			for _, jobs := range []bool{true, false} {
				first, again, other := h.objects(wait, jobs), h.objects(wait, jobs), h.objects(wait, !jobs)
				if first != again || first == other {
					t.Errorf("%v %v: other rules every time, or never", wait, jobs)
				}
			}
		}
		if first, again := h.hooks(), h.hooks(); first != again {
			t.Error("other rules of hooks every time")
		}
	}
}
