package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxObjects bounds those that one notification names.
const maxObjects = 1000

// object is one object that was made.
type object struct{ bucket, key, version string }

// source names where its records come from.
func (o object) source() string { return "s3:" + o.bucket }

// notice is a notification in any of its forms.
type notice struct {
	Records []struct {
		EventName string `json:"eventName"`
		S3        struct {
			Bucket struct {
				Name string `json:"name"`
			} `json:"bucket"`
			Object struct {
				Key     string `json:"key"`
				Version string `json:"versionId"`
			} `json:"object"`
		} `json:"s3"`
	} `json:"Records"`
	Event   string `json:"Event"` // "s3:TestEvent", when notifications are set up
	Type    string `json:"Type"`  // SNS's
	Message string `json:"Message"`
	Kind    string `json:"detail-type"` // EventBridge's
	Detail  struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key     string `json:"key"`
			Version string `json:"version-id"`
		} `json:"object"`
	} `json:"detail"`
}

// objects returns the objects that a message names as made; none if it is of
// another kind that S3 sends, and an error if it is no notification at all.
func objects(body string) ([]object, error) {
	var n notice
	for range 3 { // SNS may stand around SNS
		n = notice{}
		if err := json.Unmarshal([]byte(body), &n); err != nil {
			return nil, fmt.Errorf("it is no JSON of a notification: %w", err)
		}
		if n.Type != "Notification" || n.Message == "" {
			break
		}
		body = n.Message
	}
	var out []object
	switch {
	case n.Event == "s3:TestEvent":
		return nil, nil
	case n.Kind != "":
		if n.Kind != "Object Created" {
			return nil, nil
		}
		out = append(out, object{n.Detail.Bucket.Name, n.Detail.Object.Key, n.Detail.Object.Version}) // not escaped here
	case len(n.Records) > maxObjects:
		return nil, fmt.Errorf("it names %d objects, %d are allowed", len(n.Records), maxObjects)
	case len(n.Records) > 0:
		for _, r := range n.Records {
			if !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:") {
				continue
			}
			key, err := url.QueryUnescape(r.S3.Object.Key)
			if err != nil {
				return nil, fmt.Errorf("the key %q: %w", r.S3.Object.Key, err)
			}
			out = append(out, object{r.S3.Bucket.Name, key, r.S3.Object.Version})
		}
	default:
		return nil, errors.New("it is no notification of S3, SNS or EventBridge")
	}
	for _, o := range out {
		if o.bucket == "" || o.key == "" || len(o.bucket) > 255 || len(o.key) > 1024 {
			return nil, errors.New("it names an object without a bucket or a key, or with one that is too long")
		}
	}
	return out, nil
}
