package controlplane

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// The processes, by the names of their commands.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	nodes             = "nodes"
)

// followers are the processes that are clients of the API server.
var followers = []string{controllerManager, scheduler, nodes}

// plan is what the command lines of one control plane are made from.
type plan struct {
	dir                          string
	etcdPort, peerPort, httpPort int
	kubeconfig                   string
	options                      Options
}

func (p plan) file(name string) string { return filepath.Join(p.dir, name) }
func (p plan) etcdDir() string         { return p.file("etcd") }
func (p plan) etcdURL() string         { return fmt.Sprintf("http://127.0.0.1:%d", p.etcdPort) }
func (p plan) server() string          { return fmt.Sprintf("https://127.0.0.1:%d", p.httpPort) }

// flags are the arguments of one process.
func (p plan) flags(name string) []string {
	switch name {
	case etcd:
		return p.etcd()
	case apiServer:
		return p.apiServer()
	case controllerManager:
		return p.controllerManager()
	case scheduler:
		return []string{
			"--kubeconfig=" + p.kubeconfig,
			"--leader-elect=false",
			"--secure-port=0",
			"--kube-api-qps=200", "--kube-api-burst=400",
		}
	default:
		return []string{"-kubeconfig=" + p.kubeconfig, "-nodes=" + strconv.Itoa(p.options.Nodes)}
	}
}

// etcd does not wait for the disk: what it holds need not outlive the machine.
func (p plan) etcd() []string {
	peer := fmt.Sprintf("http://127.0.0.1:%d", p.peerPort)
	return []string{
		"--name=default",
		"--data-dir=" + p.etcdDir(),
		"--listen-client-urls=" + p.etcdURL(), "--advertise-client-urls=" + p.etcdURL(),
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

// The API server is told its own address, which it would look for on the
// host's network, and keeps no endpoints for itself: there is no network on
// which a Pod could reach it.
func (p plan) apiServer() []string {
	args := []string{
		"--etcd-servers=" + p.etcdURL(),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.httpPort),
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + p.file(fileServerCert), "--tls-private-key-file=" + p.file(fileServerKey),
		"--token-auth-file=" + p.file(fileTokens),
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + p.file(fileSAPublic),
		"--service-account-signing-key-file=" + p.file(fileSAKey),
		"--service-cluster-ip-range=10.96.0.0/16",
		"--allow-privileged=true",
		"--kubelet-preferred-address-types=Hostname", // which our nodes lack: ask them nothing
		"--profiling=false",
		// Asked to end, it would wait a minute for watches, which never end.
		"--shutdown-send-retry-after=true", "--shutdown-watch-termination-grace-period=1s",
	}
	if !p.options.Audit {
		return args
	}
	return append(args,
		"--audit-policy-file="+p.file(fileAuditPolicy),
		"--audit-log-path="+p.file(fileAudit),
		"--audit-log-format=json",
		"--audit-log-mode=blocking",  // a record is there when the response is
		"--audit-log-maxsize=100000", // never turned over
	)
}

func (p plan) controllerManager() []string {
	return []string{
		"--kubeconfig=" + p.kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file=" + p.file(fileSAKey),
		"--root-ca-file=" + p.file(fileCA),
		"--kube-api-qps=200", "--kube-api-burst=400",
		"--node-monitor-period=1s",
	}
}
