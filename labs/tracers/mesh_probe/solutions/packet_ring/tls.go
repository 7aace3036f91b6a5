package main

import (
	"encoding/binary"
	"strconv"
)

const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23

	recordHeader  = 5
	largestRecord = 1<<14 + 2048 // RFC 5246, 6.2.3
	largestHello  = 1 << 17

	typeClientHello = 1
	typeServerHello = 2

	levelFatal = 2
)

// isClientHello says whether this begins a record that begins with a ClientHello.
func isClientHello(b []byte) bool {
	return len(b) > recordHeader && b[0] == recordHandshake && b[1] == 3 && b[recordHeader] == typeClientHello
}

func mayBeClientHello(b []byte) bool {
	return len(b) <= recordHeader && b[0] == recordHandshake && (len(b) < 2 || b[1] == 3)
}

// tlsConnection follows a handshake as far as it is in plain text.
type tlsConnection struct {
	target         *target
	client, server records
	asked          moment // when the ClientHello was complete, 0 before that
	answered       bool   // by a ServerHello of 1.2 or older
	told           bool   // it has failed, or there is nothing more to see
}

func newTLSConnection(t *target) *tlsConnection { return &tlsConnection{target: t} }

func (t *tlsConnection) done() bool {
	return t.told || t.client.closed && t.server.closed && t.answered
}

// waiting says whether there is a ClientHello without an answer.
func (t *tlsConnection) waiting() bool { return !t.told && t.asked != 0 && !t.answered }

func (t *tlsConnection) fail(version, reason string) {
	if !t.told {
		t.told = true
		t.target.tlsFailures[tlsFailure{version, reason}]++
	}
}

// wait looks whether the time for a ServerHello is over.
func (t *tlsConnection) wait(at moment, ended bool) {
	if t.waiting() && (ended || at-t.asked > patience) {
		t.fail("none", "no_server_hello")
	}
}

func (t *tlsConnection) fromClient(data []byte, at moment) {
	t.client.read(data, func(kind uint8, payload []byte) {
		switch kind {
		case recordHandshake:
			if t.asked != 0 {
				return
			}
			if hello, ok := t.client.message(payload); ok && hello[0] == typeClientHello {
				t.asked = at
			}
		case recordAlert:
			if name, fatal := t.client.alert(payload); fatal && t.answered {
				t.fail("1.2", name)
			}
		case recordChangeCipherSpec, recordApplicationData:
			t.client.close()
		}
	})
}

func (t *tlsConnection) fromServer(data []byte, at moment) {
	t.server.read(data, func(kind uint8, payload []byte) {
		switch kind {
		case recordHandshake:
			if t.answered {
				return
			}
			if hello, ok := t.server.message(payload); ok && hello[0] == typeServerHello {
				t.wait(at, false) // it may be too late
				t.answered = true
				if isTLS13(hello) {
					t.told = true // all that follows is encrypted
				}
			}
		case recordAlert:
			if name, fatal := t.server.alert(payload); fatal {
				version := "none"
				if t.answered {
					version = "1.2"
				}
				t.fail(version, name)
			}
		case recordChangeCipherSpec, recordApplicationData:
			t.server.close()
		}
	})
}

// isTLS13 says whether a whole ServerHello is one of 1.3: its extension supported_versions has been chosen from.
func isTLS13(hello []byte) bool {
	const supportedVersions = 43
	hello = hello[4:] // type and length
	skip := func(n int) bool {
		if n > len(hello) {
			return false
		}
		hello = hello[n:]
		return true
	}
	if !skip(2+32) || len(hello) == 0 || !skip(1+int(hello[0])) || !skip(2+1) || !skip(2) {
		return false
	}
	for len(hello) >= 4 {
		kind, length := binary.BigEndian.Uint16(hello), int(binary.BigEndian.Uint16(hello[2:]))
		hello = hello[4:]
		if length > len(hello) {
			return false
		}
		if kind == supportedVersions && length == 2 {
			return binary.BigEndian.Uint16(hello) >= 0x0304
		}
		hello = hello[length:]
	}
	return false
}

// records cuts the bytes of one direction into TLS records.
type records struct {
	buffer    []byte
	handshake []byte // begins with the first handshake message
	alerts    []byte
	closed    bool // what follows is encrypted, or no TLS
}

func (r *records) close() {
	*r = records{closed: true}
}

func (r *records) read(data []byte, take func(kind uint8, payload []byte)) {
	if r.closed {
		return
	}
	r.buffer = append(r.buffer, data...)
	for !r.closed && len(r.buffer) >= recordHeader {
		kind, length := r.buffer[0], int(binary.BigEndian.Uint16(r.buffer[3:]))
		if kind < recordChangeCipherSpec || kind > recordApplicationData || r.buffer[1] != 3 || length > largestRecord {
			r.close() // a server that does not speak TLS, say
			return
		}
		if len(r.buffer) < recordHeader+length {
			return
		}
		payload := r.buffer[recordHeader : recordHeader+length]
		r.buffer = r.buffer[recordHeader+length:]
		take(kind, payload)
	}
}

// message adds to the first handshake message of this direction, which may be spread over records. It is given when
// it is whole.
func (r *records) message(payload []byte) ([]byte, bool) {
	const header = 4
	r.handshake = append(r.handshake, payload...)
	if len(r.handshake) < header {
		return nil, false
	}
	length := header + int(binary.BigEndian.Uint32(r.handshake)&0xff_ff_ff)
	if length > largestHello {
		r.close()
		return nil, false
	}
	if len(r.handshake) < length {
		return nil, false
	}
	message := r.handshake[:length]
	r.handshake = nil
	return message, true
}

// alert reads the alerts of a record, of two bytes each, which may be spread over records as well.
func (r *records) alert(payload []byte) (name string, fatal bool) {
	r.alerts = append(r.alerts, payload...)
	for len(r.alerts) >= 2 {
		level, number := r.alerts[0], r.alerts[1]
		r.alerts = r.alerts[2:]
		if level == levelFatal {
			return alertName(number), true
		}
	}
	return "", false
}

const alertCloseNotify = 0

// alertName is the name of RFC 8446, section 6, or the number.
func alertName(number uint8) string {
	if name, ok := alertNames[number]; ok {
		return name
	}
	return strconv.Itoa(int(number))
}

var alertNames = map[uint8]string{
	alertCloseNotify: "close_notify",
	10:               "unexpected_message",
	20:               "bad_record_mac",
	21:               "decryption_failed_RESERVED",
	22:               "record_overflow",
	30:               "decompression_failure_RESERVED",
	40:               "handshake_failure",
	41:               "no_certificate_RESERVED",
	42:               "bad_certificate",
	43:               "unsupported_certificate",
	44:               "certificate_revoked",
	45:               "certificate_expired",
	46:               "certificate_unknown",
	47:               "illegal_parameter",
	48:               "unknown_ca",
	49:               "access_denied",
	50:               "decode_error",
	51:               "decrypt_error",
	60:               "export_restriction_RESERVED",
	70:               "protocol_version",
	71:               "insufficient_security",
	80:               "internal_error",
	86:               "inappropriate_fallback",
	90:               "user_canceled",
	100:              "no_renegotiation_RESERVED",
	109:              "missing_extension",
	110:              "unsupported_extension",
	111:              "certificate_unobtainable_RESERVED",
	112:              "unrecognized_name",
	113:              "bad_certificate_status_response",
	114:              "bad_certificate_hash_value_RESERVED",
	115:              "unknown_psk_identity",
	116:              "certificate_required",
	120:              "no_application_protocol",
}
