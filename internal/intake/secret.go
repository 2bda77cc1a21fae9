package intake

import (
	"encoding/base64"
	"strings"
)

// Secret returns the token of an Authorization header in any of the forms in
// which senders can be told it: "Bearer TOKEN", "Splunk TOKEN", "ApiKey
// base64(id:TOKEN)" or "ApiKey TOKEN", and "Basic" with it as the password. ""
// if there is none.
func Secret(header string) string {
	scheme, value, ok := strings.Cut(strings.TrimSpace(header), " ")
	if !ok {
		return ""
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer", "splunk":
		return value
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return ""
		}
		_, password, _ := strings.Cut(string(plain), ":")
		return password
	case "apikey":
		if plain, err := base64.StdEncoding.DecodeString(value); err == nil {
			if _, key, ok := strings.Cut(string(plain), ":"); ok {
				return key
			}
		}
		return value
	}
	return ""
}
