package apply

import "testing"

func TestDecide(t *testing.T) {
	kept := facts{known: true, here: true, mine: true, same: true, intact: true}
	with := func(change func(*facts)) facts {
		f := kept
		change(&f)
		return f
	}
	tests := map[string]struct {
		facts facts
		want  verdict
	}{
		"as it was left":                                {kept, leave},
		"nothing is known":                              {facts{}, compare},
		"absent":                                        {facts{known: true}, compare},
		"present, of nobody":                            {facts{known: true, here: true}, compare},
		"gone since":                                    {with(func(f *facts) { f.here = false }), compare},
		"another desired object":                        {with(func(f *facts) { f.same = false }), write},
		"drifted":                                       {with(func(f *facts) { f.intact = false }), write},
		"drifted, with ignored fields":                  {with(func(f *facts) { f.intact, f.ignores = false, true }), compare},
		"as it was left, with ignored fields":           {with(func(f *facts) { f.ignores = true }), leave},
		"managed fields cleared":                        {with(func(f *facts) { f.intact, f.bare = false, true }), compare},
		"resync":                                        {with(func(f *facts) { f.resync = true }), compare},
		"being deleted":                                 {with(func(f *facts) { f.live = deleting }), leave},
		"something to take over":                        {with(func(f *facts) { f.live = foreign }), compare},
		"something to take over, to be merged":          {with(func(f *facts) { f.live, f.desired = foreign, markMerge }), leave},
		"something to take over, merged there":          {with(func(f *facts) { f.live = foreign | markMerge }), leave},
		"disabled in Git":                               {with(func(f *facts) { f.desired = markDisabled }), hold},
		"disabled in Git, absent":                       {facts{known: true, desired: markDisabled}, hold},
		"disabled in the cluster":                       {with(func(f *facts) { f.live = markDisabled }), hold},
		"disabled in the cluster, until it was deleted": {facts{known: true, live: markDisabled}, compare},
		"ignored in Git":                                {with(func(f *facts) { f.desired = markIgnore }), hold},
		"ignored in the cluster":                        {with(func(f *facts) { f.live = markIgnore }), hold},
		"if not present, present":                       {with(func(f *facts) { f.desired = markIfNotPresent }), hold},
		"if not present, absent":                        {facts{known: true, desired: markIfNotPresent}, compare},
		"if not present, unknown":                       {facts{desired: markIfNotPresent}, compare},
		"if not present in the cluster only":            {with(func(f *facts) { f.live = markIfNotPresent }), leave},
		"protected from prune":                          {with(func(f *facts) { f.live = markKeep }), leave},
		"resync does not override a mark":               {with(func(f *facts) { f.resync, f.live = true, markDisabled }), hold},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { equal(t, test.want, decide(test.facts)) })
	}
}
