// Package ignore decides which files of a source are left out of its artifact.
//
// Patterns have the form of gitignore files. They come, in the order of
// priority from low to high, from the defaults, the .sourceignore files of the
// tree and the object's own spec.ignore; the last match wins. As soon as the
// tree or the object has a pattern of its own, of the defaults only those for
// version control remain. Unlike in Git, a file below an excluded directory can
// be included again.
package ignore

import (
	"bufio"
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// File is the name of the files that hold patterns.
const File = ".sourceignore"

// versionControl is what no artifact has, unless a pattern includes it again.
var versionControl = []string{".git/", ".gitignore", ".gitmodules", ".gitattributes"}

// others is what an artifact does not have unless somebody cares.
var others = []string{
	"*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip",
	".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml",
	"cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml",
	"**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml",
}

// Rules are the patterns of one source.
type Rules struct {
	patterns []gitignore.Pattern
	own      int
}

// Add adds the patterns of a file in the directory dir, which is "." for the
// root. Files must be added from the root down, the object's own patterns last.
func (r *Rules) Add(dir string, content []byte) {
	var domain []string
	if dir != "." && dir != "" {
		domain = strings.Split(dir, "/")
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		r.patterns = append(r.patterns, gitignore.ParsePattern(line, domain))
		r.own++
	}
}

// Excludes says whether the patterns so far, without the defaults, leave a file out.
func (r *Rules) Excludes(name string) bool { return (&Matcher{patterns: r.patterns}).Excludes(name) }

// Matcher returns what decides with the rules so far.
func (r *Rules) Matcher() *Matcher {
	defaults := versionControl
	if r.own == 0 {
		defaults = slices.Concat(versionControl, others)
	}
	var all []gitignore.Pattern
	for _, line := range defaults {
		all = append(all, gitignore.ParsePattern(line, nil))
	}
	return &Matcher{patterns: append(all, r.patterns...)}
}

// Bare returns what decides with the rules so far and without the defaults, as for
// sources that never had any.
func (r *Rules) Bare() *Matcher { return &Matcher{patterns: slices.Clone(r.patterns)} }

// Matcher decides about files.
type Matcher struct{ patterns []gitignore.Pattern }

// Excludes says whether a file is left out. name is slash-separated and
// relative to the root. The last pattern that matches the file, or one of the
// directories it is in, decides.
func (m *Matcher) Excludes(name string) bool {
	parts := strings.Split(path.Clean(name), "/")
	for i := len(m.patterns) - 1; i >= 0; i-- {
		switch m.patterns[i].Match(parts, false) {
		case gitignore.Exclude:
			return true
		case gitignore.Include:
			return false
		}
	}
	return false
}
