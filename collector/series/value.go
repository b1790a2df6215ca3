package series

import "strconv"

// Value is one value as it was read: a count, or nanoseconds that stand for
// seconds. Keeping it whole lets it be printed without a rounding error.
type Value struct {
	N    uint64
	Nano bool // N is in nanoseconds, the metric in seconds
}

const nanoPerSecond = 1e9

// Float is the value in the metric's unit.
func (v Value) Float() float64 {
	if !v.Nano {
		return float64(v.N)
	}
	// The quotient of whole seconds is exact; only the rest is rounded.
	return float64(v.N/nanoPerSecond) + float64(v.N%nanoPerSecond)/nanoPerSecond
}

// Append writes the exact decimal value.
func (v Value) Append(dst []byte) []byte {
	if !v.Nano {
		return strconv.AppendUint(dst, v.N, 10)
	}
	dst = strconv.AppendUint(dst, v.N/nanoPerSecond, 10)
	rest := v.N % nanoPerSecond
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for digit := uint64(nanoPerSecond / 10); rest > 0; digit /= 10 {
		dst = append(dst, byte('0'+rest/digit))
		rest %= digit
	}
	return dst
}
