package ignore_test

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

// file is a .sourceignore in a folder, or what the object itself says.
type file struct{ dir, content string }

func TestExcludes(t *testing.T) {
	for name, tt := range map[string]struct {
		files []file
		want  map[string]bool
	}{
		"the defaults": {nil, map[string]bool{
			".git/config": true, "vendor/lib/.git/HEAD": true, ".gitignore": true, "a/.gitattributes": true, ".gitmodules": true,
			"logo.png": true, "docs/photo.jpeg": true, "a.tar.gz": true, "a.zip": true, ".github/workflows/x.yaml": true,
			".travis.yml": true, "a/b/.sops.yaml": true, ".flux.yaml": true, ".goreleaser.yml": true,
			"a.yaml": false, "gitignore": false, "png": false, "a.tar": false,
		}},
		"any pattern leaves those for version control alone": {[]file{{".", "*.txt"}}, map[string]bool{
			".git/config": true, ".gitignore": true, "logo.png": false, ".sops.yaml": false, "a.txt": true, "a/b.txt": true,
		}},
		"a pattern anywhere does":            {[]file{{"deep/down", "nothing"}}, map[string]bool{"logo.png": false, ".git/config": true}},
		"nothing but comments is no pattern": {[]file{{".", "# a\n\n   \n#b"}}, map[string]bool{"logo.png": true}},
		"version control can be included":    {[]file{{".", "!.gitignore"}}, map[string]bool{".gitignore": false, ".gitattributes": true}},
		"the last match counts":              {[]file{{".", "*.yaml\n!b.yaml\n/sub/b.yaml"}}, map[string]bool{"a.yaml": true, "b.yaml": false, "sub/b.yaml": true}},
		"the object's own come last": {[]file{{".", "!a.yaml"}, {"sub", "!*"}, {".", "a.yaml"}}, map[string]bool{
			"a.yaml": true, "sub/a.yaml": true, "sub/b.yaml": false,
		}},
		"a file rules its folder alone": {[]file{{"apps", "*.md\n/x.yaml"}}, map[string]bool{
			"apps/a.md": true, "apps/deep/a.md": true, "a.md": false, "apps2/a.md": false, "apps/x.yaml": true, "apps/deep/x.yaml": false,
		}},
		"below a folder that is excluded": {[]file{{".", "/*\n!/deploy\n!/apps/a"}}, map[string]bool{
			"a.yaml": true, "docs/x.yaml": true, "deploy/x.yaml": false, "deploy/deep/x.yaml": false, "apps/a/x.yaml": false, "apps/b/x.yaml": true,
		}},
		"a slash at the end is for folders": {[]file{{".", "build/"}}, map[string]bool{"build": false, "build/x": true, "a/build/x": true}},
		"a slash elsewhere is for one place": {[]file{{".", "docs/*.md\na/**/z"}}, map[string]bool{
			"docs/a.md": true, "x/docs/a.md": false, "docs/deep/a.md": false, "a/z": true, "a/b/c/z": true, "z": false,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var rules ignore.Rules
			for _, f := range tt.files {
				rules.Add(f.dir, []byte(f.content))
			}
			m := rules.Matcher()
			for path, want := range tt.want {
				if got := m.Excludes(path); got != want {
					t.Errorf("%s is excluded: %t, want %t", path, got, want)
				}
			}
		})
	}
}
