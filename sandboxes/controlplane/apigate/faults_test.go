package main

import (
	"encoding/json"
	"testing"
)

func rules(t testing.TB, text string) []*rule {
	t.Helper()
	var found []*rule
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRulesMatch(t *testing.T) {
	status := request{Verb: "update", Resource: "databases", Subresource: "status", Namespace: "a", Name: "x"}
	list := request{Verb: "list", Resource: "databases"}
	for _, c := range []struct {
		rule     string
		on, left request // matches the one, not the other
	}{
		{`{}`, status, request{Verb: "\x00"}},
		{`{"verb":"update"}`, status, list},
		{`{"verb":"write"}`, status, list},
		{`{"resource":"databases"}`, list, status},
		{`{"resource":"databases/status"}`, status, list},
		{`{"resource":"databases/*"}`, status, request{Resource: "pods"}},
		{`{"namespace":"a"}`, status, list},
		{`{"name":"x"}`, status, list},
		{`{"verb":"list","resource":"databases","name":""}`, list, status},
	} {
		r := rules(t, "["+c.rule+"]")[0]
		if !r.matches(c.on) {
			t.Errorf("%s does not match %+v", c.rule, c.on)
		}
		if c.rule != "{}" && r.matches(c.left) {
			t.Errorf("%s matches %+v", c.rule, c.left)
		}
	}
}

func picks(f *faults, n int) (got []string) {
	for range n {
		got = append(got, f.pick(request{Verb: "update", Resource: "pods"}))
	}
	return got
}

func TestSkipAndCount(t *testing.T) {
	for _, c := range []struct {
		rules string
		want  []string
	}{
		{`[{"kind":"500"}]`, []string{"500", "500", "500", "500"}},
		{`[{"kind":"500","count":2}]`, []string{"500", "500", "", ""}},
		{`[{"kind":"500","skip":1,"count":1}]`, []string{"", "500", "", ""}},
		{`[{"kind":"500","probability":0}]`, []string{"", "", "", ""}},
		{`[{"kind":"500","probability":1,"count":1}]`, []string{"500", "", "", ""}},
		{`[{"kind":"500","count":1},{"kind":"503","count":1}]`, []string{"500", "503", "", ""}},
		{`[{"kind":"500","verb":"get"},{"kind":"503","skip":3}]`, []string{"", "", "", "503"}},
		{`[]`, []string{"", "", "", ""}},
	} {
		var f faults
		f.set(rules(t, c.rules), 1)
		got := picks(&f, 4)
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: got %q, want %q", c.rules, got, c.want)
				break
			}
		}
	}
}

func TestTheSameSeedGivesTheSameFaults(t *testing.T) {
	draw := func(seed uint64) string {
		var f faults
		f.set(rules(t, `[{"kind":"500","probability":0.5}]`), seed)
		text, hit := "", 0
		for _, kind := range picks(&f, 200) {
			if kind != "" {
				hit++
			}
			text += kind + ","
		}
		if hit < 60 || hit > 140 {
			t.Errorf("seed %d: %d of 200 at a half", seed, hit)
		}
		return text
	}
	if draw(7) != draw(7) || draw(7) == draw(8) {
		t.Error("the seed does not decide")
	}
}

func TestWrongRulesAreNamed(t *testing.T) {
	for _, text := range []string{
		`[null]`, `[{}]`, `[{"kind":"timeout"}]`, `[{"kind":"500","count":-1}]`, `[{"kind":"500","skip":-1}]`,
		`[{"kind":"500","probability":1.5}]`, `[{"kind":"500","probability":-0.1}]`,
	} {
		if rules(t, text)[0].check() == "" {
			t.Errorf("%s is taken", text)
		}
	}
	for kind := range kinds {
		if message := (&rule{Kind: kind}).check(); message != "" {
			t.Error(message)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add(`[{"verb":"write","resource":"a/*","probability":0.5,"skip":1,"count":2,"kind":"reset"}]`, "update", "a", "status")
	f.Fuzz(func(t *testing.T, text, verb, resource, subresource string) {
		var found []*rule
		if json.Unmarshal([]byte(text), &found) != nil {
			return
		}
		most := 0
		for _, r := range found {
			if r.check() != "" {
				return
			}
			if r.Count == 0 {
				most = -1
			} else if most >= 0 {
				most += r.Count
			}
		}
		var all faults
		all.set(found, 1)
		given := 0
		for range 50 {
			if kind := all.pick(request{Verb: verb, Resource: resource, Subresource: subresource}); kind != "" {
				if !kinds[kind] {
					t.Errorf("%q is no kind", kind)
				}
				given++
			}
		}
		if most >= 0 && given > most {
			t.Errorf("%d faults of at most %d", given, most)
		}
	})
}
