package filter

const (
	reasonSkew = iota
	reasonMissingLabel
)

const (
	reasonAffinity = iota
	reasonAnti
	reasonExisting
)

// CheckSkew says whether one more pod in a domain keeps to the largest skew:
// count is the matching pods of the domain, self 1 when the pod itself matches,
// lowest the count of the emptiest domain.
func CheckSkew(count, self, lowest, maxSkew int32) Verdict {
	if count+self-lowest > maxSkew {
		return Verdict{Rule: Spread, Reasons: reasonSkew}
	}
	return Verdict{}
}

// MissingTopology is the verdict on a node without the label that pods are to
// be spread over.
func MissingTopology() Verdict {
	return Verdict{Rule: Spread, Final: true, Reasons: reasonMissingLabel}
}

// AffinityUnmet is the verdict on a node in a domain without the pods that
// this one must be near.
func AffinityUnmet() Verdict { return Verdict{Rule: PodAffinity, Final: true, Reasons: reasonAffinity} }

// CheckAntiAffinity says whether the domain is free of pods that this one must
// not be near.
func CheckAntiAffinity(count int32) Verdict {
	if count > 0 {
		return Verdict{Rule: PodAffinity, Reasons: reasonAnti}
	}
	return Verdict{}
}

// CheckExisting says whether the domain is free of pods that must not be near
// this one.
func CheckExisting(count int32) Verdict {
	if count > 0 {
		return Verdict{Rule: PodAffinity, Reasons: reasonExisting}
	}
	return Verdict{}
}
