package validation

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateIntOrPercent checks a number of pods or a part of them: "25%".
func validateIntOrPercent(v intstr.IntOrString, path *field.Path) (errs field.ErrorList) {
	if v.Type == intstr.Int {
		return validateNonnegative(int64(v.IntVal), path)
	}
	for _, message := range validation.IsValidPercent(v.StrVal) {
		errs = append(errs, field.Invalid(path, v, message))
	}
	return errs
}

// validateAtMost100Percent checks that a part is not more than the whole.
func validateAtMost100Percent(v intstr.IntOrString, path *field.Path) field.ErrorList {
	if percent, ok := percentOf(v); ok && percent > 100 {
		return field.ErrorList{field.Invalid(path, v, "must not be greater than 100%")}
	}
	return nil
}

// percentOf is the number of a valid percentage.
func percentOf(v intstr.IntOrString) (int, bool) {
	if v.Type != intstr.String || len(validation.IsValidPercent(v.StrVal)) > 0 {
		return 0, false
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(v.StrVal, "%"))
	return percent, err == nil
}

// isZero tells whether a number or percentage is none.
func isZero(v *intstr.IntOrString) bool {
	if v == nil {
		return true
	}
	if percent, ok := percentOf(*v); ok {
		return percent == 0
	}
	return v.IntValue() == 0
}
