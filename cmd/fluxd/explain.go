package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fluxd/fluxd/pkg/api/scheme"
	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/explain"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// viewer are the flags of the commands that look at one object.
type viewer struct {
	kubeconfig, namespace string
	timeout               time.Duration
	clients               *kube.Clients
}

func (v *viewer) register(f *pflag.FlagSet) {
	f.StringVar(&v.kubeconfig, "kubeconfig", "", "path of the kubeconfig; empty means KUBECONFIG, or the service account in a Pod")
	f.StringVarP(&v.namespace, "namespace", "n", "flux-system", "namespace of the object")
	f.DurationVar(&v.timeout, "timeout", time.Minute, "how long it may take")
}

// connect opens the connections and returns which object an argument names.
func (v *viewer) connect(arg string) (reconcilers.Ref, error) {
	config, err := kube.Load(v.kubeconfig, "fluxd/"+version)
	if err != nil {
		return reconcilers.Ref{}, err
	}
	if v.clients, err = kube.NewClients(config, scheme.New()); err != nil {
		return reconcilers.Ref{}, err
	}
	return explain.Subject(arg, v.namespace, v.clients.Mapper)
}

// explainer explains with the rights of the kubeconfig.
func (v *viewer) explainer() *explain.Explainer {
	return explain.New(explain.Config{World: explain.Cluster{Dynamic: v.clients.Dynamic, Mapper: v.clients.Mapper}})
}

// texter is a result that is written as text.
type texter interface{ Text(io.Writer) error }

// newView returns a command that looks at one object with the rights of a kubeconfig.
func newView[T texter](use, summary, long string, look func(*explain.Explainer, context.Context, reconcilers.Ref) (T, error)) *cobra.Command {
	v := &viewer{}
	cmd := &cobra.Command{
		Use: use, Short: summary, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), v.timeout)
			defer cancel()
			ref, err := v.connect(args[0])
			if err != nil {
				return err
			}
			found, err := look(v.explainer(), ctx, ref)
			if err != nil {
				return err
			}
			return found.Text(cmd.OutOrStdout())
		},
	}
	v.register(cmd.Flags())
	return cmd
}

func newTree() *cobra.Command {
	return newView("tree KIND/NAME", "Print what a Kustomization or HelmRelease applied, and how it does",
		"tree prints the objects that an object applied, by its inventory, with their health, and\n"+
			"what those applied in turn. It needs no running daemon.", (*explain.Explainer).Tree)
}

func newTrace() *cobra.Command {
	return newView("trace KIND/NAME", "Print who applied an object, from which source, up to the root",
		"trace prints which Kustomization or HelmRelease applied an object, of any kind, from which\n"+
			"source at which revision, and who applied that. It needs no running daemon.", (*explain.Explainer).Trace)
}

// explanation are the flags of explain.
type explanation struct {
	viewer
	server, tokenFile, home string
	port                    int
	offline                 bool
}

func newExplain() *cobra.Command {
	x := &explanation{}
	cmd := &cobra.Command{
		Use:   "explain KIND/NAME",
		Short: "Say why an object is not applied yet, or what happens next",
		Long: "explain says what an object waits for and since when, what will wake it, when it runs\n" +
			"next, and what is at the root of it. It asks the running daemon, through the API server\n" +
			"or at --server, and shows it the token of the kubeconfig or of --token-file. Without a\n" +
			"daemon it says what the status of the objects tells.",
		Example: "  fluxd explain kustomization/apps\n" +
			"  fluxd explain gitrepository/apps -n team --server http://127.0.0.1:9292",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), x.timeout)
			defer cancel()
			return x.run(ctx, args[0], cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	x.register(f)
	f.StringVar(&x.server, "server", "", "URL of the daemon's --api-addr; empty goes through the API server to the Pods of fluxd")
	f.StringVar(&x.tokenFile, "token-file", "", "file with the token of the cluster to show to the daemon; empty means that of the kubeconfig")
	f.StringVar(&x.home, "runtime-namespace", "flux-system", "namespace that the daemon runs in")
	f.IntVar(&x.port, "port", 9292, "port of the daemon's --api-addr in its Pods")
	f.BoolVar(&x.offline, "status-only", false, "do not ask the daemon")
	return cmd
}

// run explains one object.
func (x *explanation) run(ctx context.Context, arg string, out io.Writer) error {
	ref, err := x.connect(arg)
	if err != nil {
		return err
	}
	if _, ours := explain.OwnKind(ref.Kind + "." + ref.Group); !ours {
		return fmt.Errorf("%s is not a kind of fluxd: try fluxd trace %s", ref.Kind, arg)
	}
	why := errors.New("--status-only was given")
	if !x.offline {
		var text []byte
		if text, why = x.ask(ctx, ref); why == nil {
			_, err = out.Write(text)
			return err
		}
	}
	if errors.Is(why, errRefused) {
		return why
	}
	report, err := x.explainer().Explain(ctx, ref, time.Now())
	if err != nil {
		return err
	}
	report.Note = fmt.Sprintf("The daemon was not asked: %s.\nThis is what the status of the objects tells; what runs, waits and is due is not known.", why)
	return report.Text(out)
}

// errRefused is the answer to somebody who may not see the object.
var errRefused = errors.New("the daemon refuses")

// ask asks the daemon, which leaves time to do without. The error says why there is no
// answer.
func (x *explanation) ask(ctx context.Context, ref reconcilers.Ref) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, x.timeout/2)
	defer cancel()
	token, err := x.token(ctx)
	if err != nil {
		return nil, err
	}
	path := explain.URLPath + strings.ToLower(ref.Kind) + "/" + url.PathEscape(ref.Namespace) + "/" + url.PathEscape(ref.Name)
	if x.server != "" {
		return direct(ctx, strings.TrimSuffix(x.server, "/")+path, token)
	}
	pods, err := x.clients.RunningPods(ctx, x.home, "app.kubernetes.io/name=fluxd")
	if err == nil && len(pods) == 0 {
		err = fmt.Errorf("no Pod of it runs in the namespace %s", x.home)
	}
	for _, pod := range pods {
		var text []byte
		res, body, failed := x.clients.ThroughPod(ctx, x.home, pod, x.port, path, http.Header{door.HeaderToken: {token}})
		if text, err = answered(res, body, failed); err == nil || errors.Is(err, errRefused) {
			return text, err
		}
		err = fmt.Errorf("the Pod %s: %w", pod, err)
	}
	return nil, err
}

// token returns what the daemon is shown.
func (x *explanation) token(ctx context.Context) (string, error) {
	if x.tokenFile != "" {
		data, err := os.ReadFile(x.tokenFile)
		return strings.TrimSpace(string(data)), err
	}
	token, err := kube.Token(ctx, x.clients.Config())
	if err == nil && token == "" {
		err = errors.New("the kubeconfig has no token to show to it, which --token-file may have")
	}
	return token, err
}

// direct asks a daemon at its own address.
func direct(ctx context.Context, target, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this host
	}
	return answered(kube.Answer(client, req))
}

// answered returns what the daemon says. The API server's own answers are JSON.
func answered(res *http.Response, body []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	own := strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain")
	switch {
	case res.StatusCode == http.StatusOK && own:
		return body, nil
	case res.StatusCode == http.StatusForbidden && own:
		return nil, fmt.Errorf("%w: %s", errRefused, strings.TrimSpace(string(body)))
	}
	return nil, fmt.Errorf("%s: %.300s", res.Status, strings.TrimSpace(string(body)))
}
