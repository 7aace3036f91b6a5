package main

import (
	"encoding/binary"
	"strconv"
)

const (
	recordHeader = 5
	// types of records and of handshake messages, RFC 8446, section 4 and 5.1
	changeCipherSpec = 20
	alertRecord      = 21
	handshakeRecord  = 22
	clientHello      = 1
	serverHello      = 2
	fatal            = 2
	version13        = 0x0304
	// the extension in which a ServerHello of 1.3 says so
	supportedVersions = 43
)

// records reads one direction of a TLS connection, as far as it is in plain text.
type records struct {
	buffer  []byte
	opaque  bool // from here on nothing can be read
	hello   func(kind byte, body []byte)
	alerted func(level, description byte)
}

func (r *records) add(data []byte) {
	if r.opaque {
		return
	}
	r.buffer = append(r.buffer, data...)
	for len(r.buffer) >= recordHeader && !r.opaque {
		length := int(binary.BigEndian.Uint16(r.buffer[3:]))
		if len(r.buffer) < recordHeader+length {
			return
		}
		kind, body := r.buffer[0], r.buffer[recordHeader:recordHeader+length]
		r.buffer = r.buffer[recordHeader+length:]
		r.record(kind, body)
	}
}

func (r *records) record(kind byte, body []byte) {
	switch kind {
	case handshakeRecord:
		if len(body) > 4 && (body[0] == clientHello || body[0] == serverHello) {
			r.hello(body[0], body[4:])
		}
	case alertRecord:
		if len(body) == 2 {
			r.alerted(body[0], body[1])
		}
	default: // ChangeCipherSpec, or data: all that follows is encrypted
		r.opaque, r.buffer = true, nil
	}
}

// negotiated is the version that a ServerHello chose: its extension goes before its old field.
func negotiated(body []byte) uint16 {
	const random = 2 + 32
	if len(body) < random+1 {
		return 0
	}
	version := binary.BigEndian.Uint16(body)
	at := random + 1 + int(body[random]) + 3 // session id, cipher suite, compression
	if len(body) < at+2 {
		return version
	}
	for rest := body[at+2:]; len(rest) >= 4; {
		kind, length := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if len(rest) < 4+length {
			break
		}
		if kind == supportedVersions && length == 2 {
			return binary.BigEndian.Uint16(rest[4:])
		}
		rest = rest[4+length:]
	}
	return version
}

// RFC 8446, section 6, and RFC 5246, section 7.2
var alertNames = map[byte]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed",
	22: "record_overflow", 30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate",
	42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
	46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
	51: "decrypt_error", 60: "export_restriction", 70: "protocol_version", 71: "insufficient_security",
	80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
	109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable",
	112: "unrecognized_name", 113: "bad_certificate_status_response", 114: "bad_certificate_hash_value",
	115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
}

func alertName(number byte) string {
	if name, ok := alertNames[number]; ok {
		return name
	}
	return strconv.Itoa(int(number))
}
