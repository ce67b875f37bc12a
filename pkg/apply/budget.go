package apply

import (
	"errors"
	"strconv"
	"strings"
)

// ErrBadBudget says that a text is no budget.
var ErrBadBudget = errors.New("a budget is a count such as 10, or a share such as 20%")

// Budget bounds how many objects are deleted at once. The zero value does not.
type Budget struct {
	most           int
	limited, share bool
}

// ParseBudget returns the budget that s stands for: a count, or a share of all objects
// in percent. Nothing means no limit.
func ParseBudget(s string) (Budget, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Budget{}, nil
	}
	number, share := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || share && n > 100 {
		return Budget{}, ErrBadBudget
	}
	return Budget{int(n), true, share}, nil
}

// Allows says whether n objects of total may be deleted.
func (b Budget) Allows(n, total int) bool {
	switch {
	case !b.limited || n == 0:
		return true
	case b.share:
		return n*100 <= b.most*total
	}
	return n <= b.most
}

// Limited says whether there is a limit at all.
func (b Budget) Limited() bool { return b.limited }

// String returns the form that [ParseBudget] reads.
func (b Budget) String() string {
	switch {
	case !b.limited:
		return ""
	case b.share:
		return strconv.Itoa(b.most) + "%"
	}
	return strconv.Itoa(b.most)
}
