package harness

// EndlessHook is a template of a chart whose upgrades never end: its Job runs for longer
// than any test.
const EndlessHook = `apiVersion: batch/v1
kind: Job
metadata: {name: endless, annotations: {helm.sh/hook: pre-upgrade}}
spec:
  template:
    metadata: {annotations: {fluxd.test/run-for: 1h}}
    spec: {restartPolicy: Never, containers: [{name: job, image: example.com/job}]}
`
