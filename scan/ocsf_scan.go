package scan

// ocsfScan is Scan Activity (class 6007): what a scan left out and noted, of which
// findings cannot tell. The lists are no part of the class, so they stand under
// unmapped.
type ocsfScan struct {
	ocsfClass
	Time       int64        `json:"time"` // milliseconds since 1970
	Start      int64        `json:"start_time"`
	End        int64        `json:"end_time"`
	Duration   int64        `json:"duration"` // milliseconds
	SeverityID int          `json:"severity_id"`
	Severity   string       `json:"severity"`
	StatusID   int          `json:"status_id"`
	Status     string       `json:"status"`
	Metadata   ocsfMetadata `json:"metadata"`
	Scan       ocsfScanned  `json:"scan"`
	Files      int          `json:"num_files"`
	Detections uint64       `json:"num_detections"`
	Skipped    int          `json:"num_skipped_items"`
	Unmapped   struct {
		Left  []Left `json:"left,omitempty"`
		More  int    `json:"more,omitempty"`
		Noted []Left `json:"noted,omitempty"`
	} `json:"unmapped"`
}

type ocsfScanned struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

// Close adds what the scan left out and noted, if it did.
func (o *ocsf) Close(r Report) error {
	sum := &r.Summary
	if len(sum.Left) == 0 && len(sum.Noted) == 0 {
		return nil
	}
	end := r.Started.Add(sum.Took)
	s := ocsfScan{
		ocsfClass: ocsfClass{2, "Completed", 6, "Application Activity", 6007, "Scan Activity", 600702, "Scan Activity: Completed"}, Time: millis(end), Start: millis(r.Started), End: millis(end), Duration: sum.Took.Milliseconds(),
		SeverityID: 1, Severity: "Informational", StatusID: 1, Status: "Success",
		Scan:  ocsfScanned{"Holdfast scan", "Manual", 1},
		Files: sum.Files, Detections: sum.Matches, Skipped: len(sum.Left) + sum.More,
	}
	s.Metadata = newOCSFMetadata()
	s.Unmapped.Left, s.Unmapped.More, s.Unmapped.Noted = sum.Left, sum.More, sum.Noted
	return o.enc.Encode(s)
}
