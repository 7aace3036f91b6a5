package frame

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

func encode(t testing.TB, frames ...Frame) []byte {
	t.Helper()
	var out []byte
	for _, f := range frames {
		var err error
		if out, err = Append(out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestItWorks(t *testing.T) {
	sent := []Frame{
		{Session: 7, Header: []byte(`{"id":1}`), Payload: []byte("payload")},
		{Session: 1 << 31, Header: []byte(`{}`), Payload: nil},
		{Session: 7, Header: bytes.Repeat([]byte("h"), MaxHeader), Payload: bytes.Repeat([]byte("p"), MaxPayload)},
	}
	r := NewReader(bytes.NewReader(encode(t, sent...)))
	for i, want := range sent {
		got, err := r.Next()
		if err != nil || got.Session != want.Session || !bytes.Equal(got.Header, want.Header) || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("frame %d: got %v, %v", i, got.Session, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v", err)
	}
}

// The host's tests have the same bytes.
func TestBothSidesWriteTheSameBytes(t *testing.T) {
	got := hex.EncodeToString(encode(t, Frame{Session: 0x01020304, Header: []byte(`{"id": 1}`), Payload: []byte("p")}))
	want := "6c6d766d0100000900000001010203040a849773" + hex.EncodeToString([]byte(`{"id": 1}p`))
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestItFindsTheNextFrame(t *testing.T) {
	wanted := Frame{Session: 3, Header: []byte(`{"id":2}`)}
	whole := encode(t, wanted)
	broken := bytes.Clone(whole)
	broken[8] ^= 0x40 // a length, which the checksum guards
	for name, before := range map[string][]byte{
		"nothing":          nil,
		"zeros":            make([]byte, Padding),
		"text":             []byte(strings.Repeat("lmvl", 40_000)),
		"half a magic":     []byte("lmv"),
		"half a head":      whole[:headLen-1],
		"a wrong checksum": broken,
		"another version":  append([]byte("lmvm\x02"), make([]byte, 15)...),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := NewReader(bytes.NewReader(append(bytes.Clone(before), whole...))).Next()
			if err != nil || !bytes.Equal(got.Header, wanted.Header) {
				t.Errorf("got %q, %v", got.Header, err)
			}
		})
	}
}

func TestPaddingEndsWhatALostClientLeftOpen(t *testing.T) {
	open := encode(t, Frame{Session: 1, Header: make([]byte, MaxHeader), Payload: make([]byte, MaxPayload)})
	wanted := Frame{Session: 2, Header: []byte(`{"op":"hello"}`)}
	for _, cut := range []int{headLen, headLen + 1, len(open) / 2, len(open) - 1} {
		stream := append(append(bytes.Clone(open[:cut]), make([]byte, Padding)...), encode(t, wanted)...)
		r := NewReader(bytes.NewReader(stream))
		last := Frame{}
		for {
			f, err := r.Next()
			if err != nil {
				break
			}
			last = f
		}
		if last.Session != wanted.Session || !bytes.Equal(last.Header, wanted.Header) {
			t.Errorf("cut at %d: the last frame is of session %d", cut, last.Session)
		}
	}
}

func TestItRefusesToSendWhatNobodyTakes(t *testing.T) {
	for _, f := range []Frame{{Header: make([]byte, MaxHeader+1)}, {Payload: make([]byte, MaxPayload+1)}} {
		if _, err := Append(nil, f); !errors.Is(err, ErrTooLong) {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzReader(f *testing.F) {
	good := encode(f, Frame{Session: 1, Header: []byte(`{"id":1}`), Payload: []byte("p")})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append([]byte("lmvmlmvm"), good...))
	f.Add(append(make([]byte, 70_000), good...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(bytes.NewReader(stream))
		total := 0
		for {
			got, err := r.Next()
			if err != nil {
				break
			}
			total += headLen + len(got.Header) + len(got.Payload)
			again := encode(t, got)
			if !bytes.Contains(stream, again) {
				t.Fatal("a frame that was not in the stream")
			}
		}
		if total > len(stream) {
			t.Fatal("more came out than went in")
		}
	})
}
