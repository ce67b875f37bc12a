package main

import (
	"fmt"
	"strings"
)

// namespace is where the GitRepository and the Kustomizations are.
const namespace = "default"

// shop is the application repository: what the applications need, two of them,
// and an overlay that says how they run in production.
func shop() map[string]string {
	return map[string]string{
		"infrastructure/namespace.yaml": `apiVersion: v1
kind: Namespace
metadata:
  name: shop
`,
		"infrastructure/database.yaml": deployment("database", "docker.io/library/postgres:17", 1, `
      annotations:
        fluxd.test/ready-after: 2s`) + "---\n" + service("database", 5432),
		"apps/base/kustomization.yaml": `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources:
  - frontend.yaml
  - backend.yaml
  - greeting.yaml
`,
		"apps/base/frontend.yaml": deployment("frontend", "docker.io/library/nginx:1.29", 1, "") + "---\n" + service("frontend", 80),
		"apps/base/backend.yaml":  deployment("backend", "ghcr.io/example/backend:1.0.0", 1, "") + "---\n" + service("backend", 8080),
		"apps/base/greeting.yaml": `apiVersion: v1
kind: ConfigMap
metadata:
  name: greeting
data:
  text: welcome
`,
		"apps/production/kustomization.yaml": overlay("1.0.0"),
	}
}

// overlay runs more of everything, at a version of the backend.
func overlay(version string) string {
	return fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../base
replicas:
  - name: frontend
    count: 3
  - name: backend
    count: 2
images:
  - name: ghcr.io/example/backend
    newTag: %s
`, version)
}

func deployment(name, image string, replicas int, podMetadata string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  namespace: shop
spec:
  replicas: %[3]d
  selector:
    matchLabels:
      app: %[1]s
  template:
    metadata:
      labels:
        app: %[1]s%[4]s
    spec:
      containers:
        - name: %[1]s
          image: %[2]s
`, name, image, replicas, podMetadata)
}

func service(name string, port int) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: %[1]s
  namespace: shop
spec:
  selector:
    app: %[1]s
  ports:
    - port: %[2]d
`, name, port)
}

// manifests are the source and what is made of it. The intervals are long: what
// the demo shows is not polled for.
func manifests(url string) string {
	return fmt.Sprintf(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: shop
  namespace: %[1]s
spec:
  interval: 1h
  url: %[2]s
  ref:
    branch: main
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: storefront
  namespace: %[1]s
spec:
  interval: 1h
  path: ./apps/production
  prune: true
  wait: true
  timeout: 1m
  dependsOn:
    - name: infrastructure
  sourceRef:
    kind: GitRepository
    name: shop
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: infrastructure
  namespace: %[1]s
spec:
  interval: 1h
  path: ./infrastructure
  prune: true
  wait: true
  timeout: 1m
  sourceRef:
    kind: GitRepository
    name: shop
`, namespace, url)
}

// source is the manifest of a source, its spec being lines of YAML.
func source(kind, name string, spec ...string) string {
	return fmt.Sprintf(`---
apiVersion: source.toolkit.fluxcd.io/v1
kind: %s
metadata:
  name: %s
  namespace: %s
spec:
  interval: 1h
  %s
`, kind, name, namespace, strings.Join(spec, "\n  "))
}

// applied is the manifest of a Kustomization of everything in a source of its name.
func applied(name, kind string) string {
	return fmt.Sprintf(`---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: %[1]s
  namespace: %[3]s
spec:
  interval: 1h
  prune: true
  sourceRef:
    kind: %[2]s
    name: %[1]s
`, name, kind, namespace)
}

// keysName is the Secret with the credentials of the bucket.
const keysName = "demo-bucket"

func keys() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata:
  name: %s
  namespace: %s
stringData:
  accesskey: %s
  secretkey: %s
`, keysName, namespace, accessKey, secretKey)
}
