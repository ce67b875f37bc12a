package identity

import "context"

const gkePattern = `^projects/[a-zA-Z0-9][a-zA-Z0-9.:-]{0,199}/locations/[a-z0-9-]{1,200}/clusters/[a-z0-9-]{1,200}$`

// gke asks where a cluster is:
// https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters/get
func (a *asking) gke(ctx context.Context, path string) ([]Endpoint, error) {
	token, err := a.gcpToken(ctx)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Endpoint   string `json:"endpoint"`
		MasterAuth struct {
			CA []byte `json:"clusterCaCertificate"`
		} `json:"masterAuth"`
	}
	k := call{
		doing: "describe the GKE cluster " + path, url: "https://container.googleapis.com/v1/" + path,
		header:  map[string]string{"Authorization": "Bearer " + token.Value},
		problem: googleProblem, secrets: []string{token.Value},
	}
	if err := a.decode(ctx, k, &answer); err != nil || answer.Endpoint == "" {
		return nil, err
	}
	return []Endpoint{{answer.Endpoint, answer.MasterAuth.CA}}, nil
}
