package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
)

// What deploy/monitoring asks for is there, in the metrics of a daemon at work, and
// a real Prometheus that scrapes it answers every question and raises the alerts.
func TestMonitoring(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")}, "--enable-leader-election", "--leader-election-retry-period=200ms")
	w.install()
	w.start()
	w.ready("app")
	w.kustomization("broken", "./nowhere")
	w.wait(harness.Kustomized, "broken", func(obj *unstructured.Unstructured) bool {
		ready, _ := condition(obj, "Ready")
		return strings.HasPrefix(ready, "False/")
	})

	alerts, panels := monitoring(t)
	text, err := w.daemon.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range append(alerts.queries(), panels.queries()...) {
		for _, name := range metricName.FindAllString(query, -1) {
			if !strings.Contains(text, "\n"+name) {
				t.Errorf("%s: the daemon has no metric %s", query, name)
			}
		}
	}

	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus on this machine: whether it understands deploy/monitoring was not tried")
	}
	p := startPrometheus(t, binary, w.daemon.MetricsAddress(), alerts)
	for _, query := range panels.queries() {
		p.answers(query)
	}
	p.raises("FluxdResourceNotReady", map[string]string{"kind": "Kustomization", "namespace": w.namespace, "name": "broken"})
	p.healthy()
	w.stop()
	p.raises("FluxdAbsent", nil)
}

// metricName matches what may be the name of a metric and not that of a label or a
// function.
var metricName = regexp.MustCompile(`\b(fluxd|gotk|controller_runtime|workqueue|rest_client|leader_election|process|go)_[a-z_]+\b`)

// rules are those of a PrometheusRule, which are also a rules file of Prometheus.
type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			For         string            `json:"for,omitempty"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"rules"`
	} `json:"groups"`
}

func (r rules) queries() []string {
	var all []string
	for _, group := range r.Groups {
		for _, rule := range group.Rules {
			all = append(all, rule.Expr)
		}
	}
	return all
}

// dashboard is what matters of a Grafana dashboard.
type dashboard struct {
	Panels []struct {
		Title   string `json:"title"`
		Targets []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

func (d dashboard) queries() []string {
	var all []string
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

// monitoring reads deploy/monitoring.
func monitoring(t *testing.T) (alerts rules, panels dashboard) {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	var rule struct {
		Spec rules `json:"spec"`
	}
	for name, into := range map[string]any{"alerts.yaml": &rule, "dashboard.json": &panels} {
		data, err := os.ReadFile(filepath.Join(root, "deploy", "monitoring", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if len(rule.Spec.queries()) == 0 || len(panels.queries()) == 0 {
		t.Fatal("no alerts, or no panels")
	}
	return rule.Spec, panels
}

// prometheus is a running one.
type prometheus struct {
	t       *testing.T
	address string
}

// startPrometheus starts one that scrapes address every second.
func startPrometheus(t *testing.T, binary, address string, alerts rules) *prometheus {
	t.Helper()
	dir := t.TempDir()
	rulesFile, err := yaml.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: fluxd
    honor_labels: true
    static_configs: [{targets: [%q]}]
`, address)
	for name, data := range map[string]string{"rules.yaml": string(rulesFile), "prometheus.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config.file="+filepath.Join(dir, "prometheus.yaml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+own)
	ended, err := program.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended
		<-ended
	})
	p := &prometheus{t: t, address: own}
	p.until("be ready", func(ctx context.Context) error { return p.get(ctx, "/api/v1/status/buildinfo", nil) })
	return p
}

// answers waits until a query has a result.
func (p *prometheus) answers(query string) {
	p.t.Helper()
	p.until("answer "+query, func(ctx context.Context) error {
		var found struct {
			Result []json.RawMessage `json:"result"`
		}
		if err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(query), &found); err != nil {
			return err
		}
		if len(found.Result) == 0 {
			return fmt.Errorf("no result")
		}
		return nil
	})
}

// raises waits until an alert with the given labels is active, be it that it has
// yet to last.
func (p *prometheus) raises(alert string, labels map[string]string) {
	p.t.Helper()
	p.until("raise "+alert, func(ctx context.Context) error {
		var active struct {
			Alerts []struct {
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		if err := p.get(ctx, "/api/v1/alerts", &active); err != nil {
			return err
		}
		for _, a := range active.Alerts {
			fits := a.Labels["alertname"] == alert
			for name, value := range labels {
				fits = fits && a.Labels[name] == value
			}
			if fits {
				return nil
			}
		}
		return fmt.Errorf("not among %v", active.Alerts)
	})
}

// healthy wants every rule to have been evaluated without an error.
func (p *prometheus) healthy() {
	p.t.Helper()
	p.until("evaluate the rules", func(ctx context.Context) error {
		var state struct {
			Groups []struct {
				Rules []struct {
					Name      string `json:"name"`
					Health    string `json:"health"`
					LastError string `json:"lastError"`
				} `json:"rules"`
			} `json:"groups"`
		}
		if err := p.get(ctx, "/api/v1/rules", &state); err != nil {
			return err
		}
		count := 0
		for _, group := range state.Groups {
			for _, rule := range group.Rules {
				count++
				if rule.Health != "ok" {
					return fmt.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
				}
			}
		}
		if count == 0 {
			return fmt.Errorf("no rules")
		}
		return nil
	})
}

func (p *prometheus) until(what string, is func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := program.Poll(ctx, is); err != nil {
		p.t.Fatalf("Prometheus does not %s: %v", what, err)
	}
}

// get reads the data of an answer of the API into what into points to.
func (p *prometheus) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer := struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   any    `json:"data"`
	}{Data: into}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return nil
}
