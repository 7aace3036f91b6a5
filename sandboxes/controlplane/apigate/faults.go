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
		if r.Count < 0 || !r.matches(q) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Probability != nil && f.random.Float64() >= *r.Probability {
			continue
		}
		if r.Count == 1 {
			r.Count = -1
		} else if r.Count > 1 {
			r.Count--
		}
		return r.Kind
	}
	return ""
}
