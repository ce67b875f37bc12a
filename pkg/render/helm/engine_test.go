package helm

import "testing"

func TestTemplates(t *testing.T) {
	cases := map[string]struct{ template, want string }{
		"release":             {`r: {{ .Release.Name }}/{{ .Release.Namespace }}/{{ .Release.Revision }} {{ .Release.IsInstall }}`, "r: rel/apps/1 true\n"},
		"chart":               {`c: {{ .Chart.Name }}-{{ .Chart.Version }} {{ .Chart.AppVersion }} {{ .Chart.IsRoot }}`, "c: web-1.2.3 4 true\n"},
		"chart is a map":      {`c: {{ get .Chart "Name" }}{{ .Chart.Nothing }}`, "c: web\n"},
		"template":            {`t: {{ .Template.Name }} {{ .Template.BasePath }}`, "t: web/templates/a.yaml web/templates\n"},
		"versions":            {`v: {{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.GitVersion }} {{ .Capabilities.KubeVersion.Minor }} {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }}`, "v: v1.37.2 v1.37.2 37 true\n"},
		"missing values":      {`m: [{{ .Values.a }}{{ .Values.a | default "d" }}]`, "m: [d]\n"},
		"variables":           {`{{ $v := .Values.a }}{{ $k := .Capabilities.KubeVersion }}m: {{ $v }}{{ $k.Major }}`, "m: 1\n"},
		"loops":               {`l: {{ range $i, $x := list 1 2 3 }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $x }}{{ else }}none{{ end }}`, "l: 13\n"},
		"range over a number": {`l: {{ range 3 }}{{ . }}{{ end }}`, "l: 012\n"},
		"include":             {`{{ define "x" }}<{{ . }}>{{ end }}i: {{ include "x" "a" | upper }}{{ template "x" "b" }}`, "i: <A><b>\n"},
		"tpl":                 {`{{ define "x" }}<{{ . }}>{{ end }}t: {{ tpl "{{ define \"y\" }}!{{ end }}{{ include \"x\" .Release.Name }}{{ include \"y\" . }}" . }}`, "t: <rel>!\n"},
		"must":                {`m: {{ list (dict "a" 1 | mustToYaml) (dict "a" 1 | mustToToml | trim) (dict "a" 1 | mustToJson) | toJson }}`, "m: [\"a: 1\",\"a = 1\",\"{\\\"a\\\":1}\"]\n"},
		"errors as values":    {`e: {{ (fromYaml "[").Error | empty }} {{ fromJsonArray "{" | len }}`, "e: false 1\n"},
		"no environment":      {`d: [{{ getHostByName "localhost" }}]`, "d: []\n"},
		"nothing to look up":  {`l: {{ lookup "v1" "Secret" "a" "b" | len }}`, "l: 0\n"},
		"methods of values":   {`v: {{ .Values.AsMap | len }}{{ .Values.YAML | trim }}`, "v: 0{}\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := renderTemplate(t, c.template, nil)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
