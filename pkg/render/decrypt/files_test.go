package decrypt

import (
	"context"
	"strings"
	"testing"
)

func TestWhichFiles(t *testing.T) {
	const generator = "secretGenerator: [{name: a, files: [%]}]"
	yamlFile, envFile, binary := string(golden(t, "all.yaml.enc")), string(golden(t, "all.env.enc")), string(golden(t, "all.bin.enc"))
	using := func(files string) string { return strings.Replace(generator, "%", files, 1) }
	cases := map[string]struct {
		files tree
		plain []string // of these files
		err   string
	}{
		"files":                                {tree{"/r/kustomization.yaml": using("s.yaml"), "/r/s.yaml": yamlFile}, []string{"/r/s.yaml"}, ""},
		"the format is that of the key":        {tree{"/r/kustomization.yaml": using("a.yaml=s"), "/r/s": yamlFile}, []string{"/r/s"}, ""},
		"a file of another format":             {tree{"/r/kustomization.yaml": using("a.env=s.yaml"), "/r/s.yaml": yamlFile}, nil, ""},
		"binary by default":                    {tree{"/r/kustomization.yaml": using("s"), "/r/s": binary}, []string{"/r/s"}, ""},
		"YAML under a binary name":             {tree{"/r/kustomization.yaml": using("s"), "/r/s": yamlFile}, nil, ""},
		"plain files":                          {tree{"/r/kustomization.yaml": using("s.yaml"), "/r/s.yaml": "a: b"}, nil, ""},
		"envs":                                 {tree{"/r/kustomization.yaml": "secretGenerator: [{name: a, envs: [s, s.env]}]", "/r/s": envFile, "/r/s.env": envFile}, []string{"/r/s", "/r/s.env"}, ""},
		"a file that two generators name":      {tree{"/r/kustomization.yaml": "secretGenerator: [{name: a, files: [s.yaml]}, {name: b, files: [s.yaml]}]", "/r/s.yaml": yamlFile}, []string{"/r/s.yaml"}, ""},
		"config maps are no secrets":           {tree{"/r/kustomization.yaml": "configMapGenerator: [{name: a, files: [s.yaml]}]", "/r/s.yaml": yamlFile}, nil, ""},
		"resources are decrypted later":        {tree{"/r/kustomization.yaml": "resources: [s.yaml]", "/r/s.yaml": yamlFile}, nil, ""},
		"patches":                              {tree{"/r/kustomization.yaml": "patches: [{path: p.yaml}, {patch: x}]", "/r/p.yaml": yamlFile}, []string{"/r/p.yaml"}, ""},
		"a patch from elsewhere":               {tree{"/r/kustomization.yaml": "patches: [{path: 'https://example.org/p.yaml'}]"}, nil, ""},
		"another name of the file":             {tree{"/r/Kustomization": using("s.yaml"), "/r/s.yaml": yamlFile}, []string{"/r/s.yaml"}, ""},
		"of a base":                            {tree{"/r/kustomization.yaml": "resources: [../base, x.yaml, none, 'https://example.org/x']", "/base/kustomization.yaml": using("s.yaml"), "/base/s.yaml": yamlFile, "/r/x.yaml": ""}, nil, ""},
		"of a folder below":                    {tree{"/r/kustomization.yaml": "resources: [below]", "/r/below/kustomization.yml": using("../s.yaml"), "/r/s.yaml": yamlFile}, []string{"/r/s.yaml"}, ""},
		"of a component":                       {tree{"/r/kustomization.yaml": "components: [c]", "/r/c/kustomization.yaml": "kind: Component\n" + using("s.yaml"), "/r/c/s.yaml": yamlFile}, []string{"/r/c/s.yaml"}, ""},
		"of a component of a base":             {tree{"/r/kustomization.yaml": "resources: [b]", "/r/b/kustomization.yaml": "components: [../c]", "/r/c/kustomization.yaml": using("s.yaml"), "/r/c/s.yaml": yamlFile}, []string{"/r/c/s.yaml"}, ""},
		"a circle":                             {tree{"/r/kustomization.yaml": "resources: [a, .]", "/r/a/kustomization.yaml": "resources: [../]\n" + using("s.yaml"), "/r/a/s.yaml": yamlFile}, []string{"/r/a/s.yaml"}, ""},
		"no file":                              {tree{"/r/x": ""}, nil, "no kustomization file found"},
		"no file in a folder that is named":    {tree{"/r/kustomization.yaml": "resources: [a]", "/r/a/x": ""}, nil, "no kustomization file found"},
		"two files":                            {tree{"/r/kustomization.yaml": "", "/r/kustomization.yml": ""}, nil, "found multiple kustomization files"},
		"a file that is a folder":              {tree{"/r/kustomization.yaml/x": ""}, nil, "expected kustomization.yaml to be a regular file"},
		"a file that is no YAML":               {tree{"/r/kustomization.yaml": "["}, nil, "failed to unmarshal kustomization file from 'kustomization.yaml'"},
		"a generator without its file":         {tree{"/r/kustomization.yaml": using("a/s.yaml")}, nil, "open a/s.yaml: file does not exist"},
		"a generator of a file outside":        {tree{"/r/kustomization.yaml": using("../../etc/passwd"), "/etc/passwd": yamlFile}, nil, "lstat ../../etc/passwd: file does not exist"},
		"a generator of an absolute path":      {tree{"/r/kustomization.yaml": using("/etc/passwd"), "/etc/passwd": yamlFile}, nil, "lstat /etc/passwd: file does not exist"},
		"a generator of a folder":              {tree{"/r/kustomization.yaml": using("s"), "/r/s/x": ""}, nil, "s: cannot decrypt irregular file as it has file mode type bits set"},
		"a file that is too large, and plain":  {tree{"/r/kustomization.yaml": using("s"), "/r/s": strings.Repeat("x", maxFile+1)}, nil, "s: cannot decrypt file with size (5242881 bytes) exceeding limit (5242880)"},
		"folders that are nested without end":  {nested(300), nil, "limit exceeded"},
		"folders that are nested, within ends": {nested(100), nil, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			before := tree{}
			for p, content := range c.files {
				before[p] = content
			}
			err := with(t).Files(context.Background(), c.files, "/r", "/r")
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), "error decrypting sources: "+c.err) {
				t.Fatalf("got %v, want %q", err, c.err)
			}
			want := map[string]bool{}
			for _, p := range c.plain {
				want[p] = true
			}
			for p, content := range c.files {
				if changed := content != before[p]; changed != want[p] || changed && strings.Contains(content, "mac") {
					t.Errorf("%s: changed: %t, want %t", p, changed, want[p])
				}
			}
		})
	}
}

// nested returns a folder in a folder, and so on.
func nested(n int) tree {
	files, dir := tree{}, "/r"
	for range n {
		files[dir+"/kustomization.yaml"] = "resources: [d]"
		dir += "/d"
	}
	files[dir+"/kustomization.yaml"] = "{}"
	return files
}
