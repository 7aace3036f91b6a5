package main

import (
	"math/rand/v2"
	"strings"
	"sync"
)

// rule injects one kind of fault into the requests that it matches. Empty fields match all;
// the verb "write" matches every verb that changes something.
type rule struct {
	Verb        string   `json:"verb"`
	Resource    string   `json:"resource"`
	Namespace   string   `json:"namespace"`
	Name        string   `json:"name"`
	Probability *float64 `json:"probability"` // 1 when absent
	Skip        int      `json:"skip"`        // so many matching requests pass first
	Count       int      `json:"count"`       // at most so many faults; 0 is without bound
	Kind        string   `json:"kind"`        // conflict, 429, 500, 503, 504, reset, drop_after_write, block

	spent bool // Count faults were given
}

var kinds = map[string]bool{
	"conflict": true, "429": true, "500": true, "503": true, "504": true,
	"reset": true, "drop_after_write": true, "block": true,
}

func (r *rule) matches(q request) bool {
	verbs := r.Verb == "" || r.Verb == q.Verb || r.Verb == "write" && q.write()
	resource := r.Resource == "" || r.Resource == q.path() || strings.TrimSuffix(r.Resource, "/*") == q.Resource && strings.HasSuffix(r.Resource, "/*")
	return verbs && resource && (r.Namespace == "" || r.Namespace == q.Namespace) && (r.Name == "" || r.Name == q.Name)
}

// check says what is wrong with a rule, or "".
func (r *rule) check() string {
	switch {
	case r == nil:
		return "a rule is an object"
	case !kinds[r.Kind]:
		return "unknown kind " + r.Kind
	case r.Skip < 0 || r.Count < 0:
		return "skip and count are not negative"
	case r.Probability != nil && (*r.Probability < 0 || *r.Probability > 1):
		return "probability is between 0 and 1"
	}
	return ""
}

// faults decides, by rules and a seeded source, which requests are disturbed.
type faults struct {
	mu     sync.Mutex
	rules  []*rule
	random *rand.Rand
}

func (f *faults) set(rules []*rule, seed uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = rules
	f.random = rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
}

// pick returns the kind of fault for q, or "".
func (f *faults) pick(q request) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if r.spent || !r.matches(q) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Probability != nil && f.random.Float64() >= *r.Probability {
			continue
		}
		if r.Count > 0 {
			r.Count--
			r.spent = r.Count == 0
		}
		return r.Kind
	}
	return ""
}
