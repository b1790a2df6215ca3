package validation

import (
	"fmt"
	"regexp"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func isWindows(spec *v1.PodSpec) bool { return spec.OS != nil && spec.OS.Name == v1.Windows }

// validateOS checks the operating system and that the spec sets nothing which
// the other one has.
func (c *specCheck) validateOS(path *field.Path) (errs field.ErrorList) {
	switch os := c.spec.OS; {
	case os == nil:
		return nil
	case os.Name == "":
		return field.ErrorList{field.Required(path.Child("os", "name"), "")}
	case os.Name == v1.Linux:
		return c.forbidWindowsFields(path)
	case os.Name == v1.Windows:
		return c.forbidLinuxFields(path)
	default:
		return oneOf(path.Child("os"), os.Name, v1.Linux, v1.Windows)
	}
}

func (c *specCheck) forbidWindowsFields(path *field.Path) (errs field.ErrorList) {
	const detail = "windows options cannot be set for a linux pod"
	if sc := c.spec.SecurityContext; sc != nil && sc.WindowsOptions != nil {
		errs = append(errs, field.Forbidden(path.Child("securityContext", "windowsOptions"), detail))
	}
	visitContainers(c.spec, path, func(container *v1.Container, at *field.Path) {
		if sc := container.SecurityContext; sc != nil && sc.WindowsOptions != nil {
			errs = append(errs, field.Forbidden(at.Child("securityContext", "windowsOptions"), detail))
		}
	})
	return errs
}

// setField tells whether a field is set.
type setField struct {
	name string
	set  bool
}

func forbidSet(fields []setField, path *field.Path) (errs field.ErrorList) {
	for _, f := range fields {
		if f.set {
			errs = append(errs, field.Forbidden(path.Child(f.name), "cannot be set for a windows pod"))
		}
	}
	return errs
}

func (c *specCheck) forbidLinuxFields(path *field.Path) (errs field.ErrorList) {
	if sc := c.spec.SecurityContext; sc != nil {
		errs = append(errs, forbidSet([]setField{
			{"appArmorProfile", sc.AppArmorProfile != nil},
			{"seLinuxOptions", sc.SELinuxOptions != nil},
		}, path.Child("securityContext"))...)
		errs = append(errs, forbidSet([]setField{
			{"hostUsers", c.spec.HostUsers != nil},
			{"hostPID", c.spec.HostPID},
			{"hostIPC", c.spec.HostIPC},
		}, path)...)
		errs = append(errs, forbidSet([]setField{
			{"seccompProfile", sc.SeccompProfile != nil},
			{"fsGroup", sc.FSGroup != nil},
			{"fsGroupChangePolicy", sc.FSGroupChangePolicy != nil},
			{"sysctls", len(sc.Sysctls) > 0},
		}, path.Child("securityContext"))...)
		errs = append(errs, forbidSet([]setField{{"shareProcessNamespace", c.spec.ShareProcessNamespace != nil}}, path)...)
		errs = append(errs, forbidSet([]setField{
			{"runAsUser", sc.RunAsUser != nil},
			{"runAsGroup", sc.RunAsGroup != nil},
			{"supplementalGroups", sc.SupplementalGroups != nil},
			{"supplementalGroupsPolicy", sc.SupplementalGroupsPolicy != nil},
			{"seLinuxChangePolicy", sc.SELinuxChangePolicy != nil},
		}, path.Child("securityContext"))...)
	}
	visitContainers(c.spec, path, func(container *v1.Container, at *field.Path) {
		if container.SecurityContext != nil {
			errs = append(errs, forbidLinuxContext(container.SecurityContext, at.Child("securityContext"))...)
		}
	})
	return errs
}

func forbidLinuxContext(sc *v1.SecurityContext, path *field.Path) field.ErrorList {
	return forbidSet([]setField{
		{"appArmorProfile", sc.AppArmorProfile != nil},
		{"seLinuxOptions", sc.SELinuxOptions != nil},
		{"seccompProfile", sc.SeccompProfile != nil},
		{"capabilities", sc.Capabilities != nil},
		{"readOnlyRootFilesystem", sc.ReadOnlyRootFilesystem != nil},
		{"privileged", sc.Privileged != nil},
		{"allowPrivilegeEscalation", sc.AllowPrivilegeEscalation != nil},
		{"procMount", sc.ProcMount != nil},
		{"runAsUser", sc.RunAsUser != nil},
		{"runAsGroup", sc.RunAsGroup != nil},
	}, path)
}

// validateWindowsOptions checks what only Windows has.
func validateWindowsOptions(o *v1.WindowsSecurityContextOptions, path *field.Path) (errs field.ErrorList) {
	if o == nil {
		return nil
	}
	if o.GMSACredentialSpecName != nil {
		errs = append(errs, invalid(path.Child("gmsaCredentialSpecName"), *o.GMSACredentialSpecName, validation.IsDNS1123Subdomain(*o.GMSACredentialSpecName))...)
	}
	if spec := o.GMSACredentialSpec; spec != nil {
		const longest = 64 << 10
		if *spec == "" {
			errs = append(errs, field.Invalid(path.Child("gmsaCredentialSpec"), spec, "gmsaCredentialSpec cannot be an empty string"))
		} else if len(*spec) > longest {
			errs = append(errs, field.Invalid(path.Child("gmsaCredentialSpec"), spec, "gmsaCredentialSpec size must be under 64 KiB"))
		}
	}
	if o.RunAsUserName != nil {
		errs = append(errs, invalid(path.Child("runAsUserName"), *o.RunAsUserName, windowsUserProblems(*o.RunAsUserName))...)
	}
	return errs
}

// The forms of Windows' names of users and domains.
var (
	controlChars  = regexp.MustCompile(`[[:cntrl:]]+`)
	netBIOSDomain = regexp.MustCompile(`^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$`)
	dnsDomain     = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)
	dotsSpaces    = regexp.MustCompile(`^[\. ]+$`)
)

// windowsUserProblems tells what is wrong with the name of a user, which may
// begin with a domain and a backslash.
func windowsUserProblems(name string) (problems []string) {
	switch {
	case name == "":
		return []string{"runAsUserName cannot be an empty string"}
	case controlChars.MatchString(name):
		return []string{"runAsUserName cannot contain control characters"}
	case strings.Count(name, `\`) > 1:
		return []string{"runAsUserName cannot contain more than one backslash"}
	}
	const longestDomain, longestUser = 256, 104
	domain, user, found := strings.Cut(name, `\`)
	if !found {
		domain, user = "", name
	}
	for _, rule := range []struct {
		broken  bool
		problem string
	}{
		{len(domain) >= longestDomain, fmt.Sprintf("runAsUserName's Domain length must be under %d characters", longestDomain)},
		{found && !netBIOSDomain.MatchString(domain) && !dnsDomain.MatchString(domain), "runAsUserName's Domain doesn't match the NetBios nor the DNS format"},
		{user == "", "runAsUserName's User cannot be empty"},
		{len(user) > longestUser, fmt.Sprintf("runAsUserName's User length must not be longer than %d characters", longestUser)},
		{dotsSpaces.MatchString(user), "runAsUserName's User cannot contain only periods or spaces"},
		{strings.ContainsAny(user, `"/\:;|=,+*?<>@[]`), `runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`},
	} {
		if rule.broken {
			problems = append(problems, rule.problem)
		}
	}
	return problems
}

// validateHostProcess checks that either all containers of a Windows pod are
// processes of the host or none is.
func (c *specCheck) validateHostProcess(path *field.Path) (errs field.ErrorList) {
	var pod *bool
	if c.spec.SecurityContext != nil {
		pod = hostProcess(c.spec.SecurityContext.WindowsOptions)
	}
	count, onHost := 0, 0
	visitContainers(c.spec, path, func(container *v1.Container, at *field.Path) {
		count++
		var own *bool
		if container.SecurityContext != nil {
			own = hostProcess(container.SecurityContext.WindowsOptions)
		}
		if own != nil && pod != nil && *own != *pod {
			detail := fmt.Sprintf("pod hostProcess value must be identical if both are specified, was %v", *pod)
			errs = append(errs, field.Invalid(at.Child("securityContext", "windowsOptions", "hostProcess"), *own, detail))
		}
		if own == nil {
			own = pod
		}
		if own != nil && *own {
			onHost++
		}
	})
	if onHost > 0 && onHost != count {
		errs = append(errs, field.Invalid(path, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers"))
	}
	if onHost > 0 && !c.spec.HostNetwork {
		errs = append(errs, field.Invalid(path.Child("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers"))
	}
	return errs
}

func hostProcess(o *v1.WindowsSecurityContextOptions) *bool {
	if o == nil {
		return nil
	}
	return o.HostProcess
}
