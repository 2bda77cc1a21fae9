// Package made makes records of the shapes that a security team takes in, of
// 600 to 1,200 bytes, with values that vary as real ones do: some names come
// back all the time, a file has the same hash wherever it is, a process its own
// identifier in all that it does, and identifiers of requests never come back. It
// leaves sending them to the tests and benchmarks that use it.
package made

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Maker makes records, the same ones for the same seed. It serves one goroutine.
type Maker struct {
	random *rand.Rand
	at     time.Time
	step   time.Duration
	n      int
	buf    []byte
	guids  []string // of processes that run
}

// New returns a Maker whose first record happened at a time, and each further
// one a step later.
func New(seed uint64, at time.Time, step time.Duration) *Maker {
	return &Maker{random: rand.New(rand.NewPCG(seed, 7)), at: at, step: step}
}

// Next returns the next record, without a line end. It is valid until the next
// call. Of 100 records, 45 are processes started, 15 connections, 8 registry
// values, 7 files and 5 images loaded, all told by Sysmon, 10 are connections
// told by Zeek, and 10 calls told by CloudTrail.
func (m *Maker) Next() []byte {
	m.n++
	m.at = m.at.Add(m.step)
	m.buf = m.buf[:0]
	switch n := m.random.IntN(100); {
	case n < 45:
		m.process()
	case n < 60:
		m.connection()
	case n < 68:
		m.registry()
	case n < 75:
		m.file()
	case n < 80:
		m.image()
	case n < 90:
		m.zeek()
	default:
		m.cloudTrail()
	}
	return m.buf
}

// N returns how many records were made.
func (m *Maker) N() int { return m.n }

var (
	programs = []string{
		`C:\\Windows\\System32\\svchost.exe`, `C:\\Windows\\System32\\cmd.exe`, `C:\\Windows\\explorer.exe`, `C:\\Windows\\System32\\conhost.exe`,
		`C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe`, `C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe`,
		`C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe`, `C:\\Windows\\System32\\taskhostw.exe`, `C:\\Windows\\System32\\RuntimeBroker.exe`,
		`C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE`, `C:\\Program Files\\Git\\usr\\bin\\sh.exe`, `C:\\Windows\\System32\\wbem\\WmiPrvSE.exe`,
		`C:\\Windows\\System32\\SearchProtocolHost.exe`, `C:\\Windows\\SysWOW64\\rundll32.exe`, `C:\\ProgramData\\Agent\\bin\\collector.exe`, `C:\\Windows\\System32\\MsMpEng.exe`,
	}
	people   = []string{`NT AUTHORITY\\SYSTEM`, `NT AUTHORITY\\NETWORK SERVICE`, `CORP\\anna`, `CORP\\b.keller`, `CORP\\svc-backup`, `CORP\\maria`, `CORP\\j.ortiz`, `CORP\\svc-deploy`, `CORP\\t.nguyen`, `CORP\\w.smith`}
	calls    = []string{"DescribeInstances", "GetObject", "HeadObject", "GetBucketLocation", "PutObject", "GetCallerIdentity", "DescribeSecurityGroups", "Decrypt", "GetParameter", "DescribeLogGroups"}
	services = []string{"ec2", "s3", "s3", "s3", "s3", "sts", "ec2", "kms", "ssm", "logs"}
	regions  = []string{"eu-central-1", "us-east-1", "eu-west-1"}
)

func pick(r *rand.Rand, list []string) string { return oneOf(r, list) }

func oneOf[T any](r *rand.Rand, list []T) T {
	// The first names come back more often, as everywhere.
	i := int(r.ExpFloat64() * float64(len(list)) / 4)
	return list[min(i, len(list)-1)]
}

func (m *Maker) add(format string, args ...any) { m.buf = fmt.Appendf(m.buf, format, args...) }

func (m *Maker) hex(n int) {
	const digits = "0123456789ABCDEF"
	for range n {
		m.buf = append(m.buf, digits[m.random.IntN(16)])
	}
}

func (m *Maker) guid() {
	m.buf = append(m.buf, '{')
	for i, n := range []int{8, 4, 4, 4, 12} {
		if i > 0 {
			m.buf = append(m.buf, '-')
		}
		m.hex(n)
	}
	m.buf = append(m.buf, '}')
}

// hash writes the SHA-256 that a file is said to have.
func (m *Maker) hash(file string, build int) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", file, build))
	m.add("%X", sum)
}

// head begins a Sysmon event, as shippers send it that leave out what every event
// says again: the name space, the provider's GUID, keywords and the time twice.
func (m *Maker) head(id int) {
	m.add(`{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":%d,"Level":4,"Task":%d,"TimeCreated":{"#attributes":{"SystemTime":"%s"}},"EventRecordID":%d,"Execution":{"#attributes":{"ProcessID":%d,"ThreadID":%d}},"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws-%03d.corp.example"},"EventData":{`,
		id, id, m.at.UTC().Format("2006-01-02T15:04:05.000000Z"), 1_000_000+m.n, 2000+m.random.IntN(200), 3000+m.random.IntN(900), m.random.IntN(400))
}

// running are the processes of all hosts that still do something.
const running = 4000

// started tells of a process that has just been started.
func (m *Maker) started() {
	m.add(`"ProcessGuid":"`)
	at := len(m.buf)
	m.guid()
	if guid := string(m.buf[at:]); len(m.guids) < running {
		m.guids = append(m.guids, guid)
	} else {
		m.guids[m.random.IntN(running)] = guid
	}
	m.buf = append(m.buf, '"', ',')
}

// guidOf tells of one that runs already.
func (m *Maker) guidOf(name string) {
	m.add(`"%s":"`, name)
	if len(m.guids) == 0 {
		m.guid()
	} else {
		m.add("%s", m.guids[m.random.IntN(len(m.guids))])
	}
	m.buf = append(m.buf, '"', ',')
}

// builds are in use of each program at a time.
const builds = 3

// homemade is one program of how many that nobody else has.
const homemade = 200

func (m *Maker) process() {
	m.head(1)
	m.started()
	what := oneOf(m.random, starts)
	if m.random.IntN(rarely) == 0 {
		what = oneOf(m.random, odd)
	}
	m.add(`"ProcessId":%d,"Image":"%s","OriginalFileName":"%s","CommandLine":"`, m.random.IntN(65000), what.image, what.image[strings.LastIndexByte(what.image, '\\')+1:])
	m.add("%s", strings.Replace(what.line, "#", fmt.Sprintf("%x", m.random.Uint64()), 1))
	m.add(`","CurrentDirectory":"C:\\Users\\u%d\\","User":"%s",`, m.random.IntN(900), pick(m.random, people))
	m.add(`"LogonId":"0x%x","IntegrityLevel":"Medium","Hashes":"SHA256=`, m.random.Uint32())
	if build := m.random.IntN(builds); m.random.IntN(homemade) == 0 {
		m.hex(64)
	} else {
		m.hash(what.image, build)
	}
	m.add(`",`)
	m.guidOf("ParentProcessGuid")
	m.add(`"ParentProcessId":%d,"ParentImage":"%s","ParentCommandLine":"%s","ParentUser":"%s"}}}`, m.random.IntN(65000), what.parent, what.parent, pick(m.random, people))
}

func (m *Maker) connection() {
	m.head(3)
	m.guidOf("ProcessGuid")
	m.add(`"ProcessId":%d,"Image":"%s","User":"%s","Protocol":"tcp","Initiated":true,"SourceIsIpv6":false,"SourceIp":"%s","SourceHostname":"-","SourcePort":%d,"SourcePortName":"-","DestinationIsIpv6":false,"DestinationIp":"%s","DestinationHostname":"-","DestinationPort":%d,"DestinationPortName":"https"}}}`,
		m.random.IntN(65000), pick(m.random, talkers), pick(m.random, people), m.inside(), 49152+m.random.IntN(16000), m.outside(), []int{443, 443, 443, 80, 8443}[m.random.IntN(5)])
}

func (m *Maker) registry() {
	m.head(13)
	m.add(`"EventType":"SetValue",`)
	m.guidOf("ProcessGuid")
	m.add(`"ProcessId":%d,"Image":"%s","TargetObject":"HKU\\S-1-5-21-3204187051-1180699209-%d\\Software\\Vendor\\Product\\Recent\\Item%d","Details":"DWORD (0x%08x)","User":"%s"}}}`,
		m.random.IntN(65000), pick(m.random, programs), 1001+m.random.IntN(900), m.random.IntN(5000), m.random.Uint32(), pick(m.random, people))
}

func (m *Maker) file() {
	m.head(11)
	m.guidOf("ProcessGuid")
	m.add(`"ProcessId":%d,"Image":"%s","TargetFilename":"C:\\Users\\u%d\\AppData\\Local\\Vendor\\Cache\\%x.tmp","CreationUtcTime":"%s","User":"%s"}}}`,
		m.random.IntN(65000), pick(m.random, programs), m.random.IntN(900), m.random.Uint64(), m.at.UTC().Format("2006-01-02 15:04:05.000"), pick(m.random, people))
}

func (m *Maker) image() {
	m.head(7)
	m.guidOf("ProcessGuid")
	library, build := m.random.IntN(300), m.random.IntN(builds)
	m.add(`"ProcessId":%d,"Image":"%s","ImageLoaded":"C:\\Program Files\\Vendor\\Product\\lib%03d.dll","FileVersion":"4.2.%d.0","Description":"Library","Product":"Suite","Company":"Vendor","OriginalFileName":"lib.dll","Hashes":"SHA256=`, m.random.IntN(65000), pick(m.random, programs), library, 300+build)
	m.hash(fmt.Sprintf("lib%03d.dll", library), build)
	m.add(`","Signed":"true","Signature":"Vendor","SignatureStatus":"Valid","User":"%s"}}}`, pick(m.random, people))
}

func (m *Maker) zeek() {
	m.add(`{"_path":"conn","ts":%d.%06d,"uid":"C%x%x","id.orig_h":"%s","id.orig_p":%d,"id.resp_h":"%s","id.resp_p":443,"proto":"tcp","service":"ssl","duration":%d.%06d,"orig_bytes":%d,"resp_bytes":%d,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":%d,"orig_ip_bytes":%d,"resp_pkts":%d,"resp_ip_bytes":%d,"tunnel_parents":[],"orig_l2_addr":"00:16:3e:%02x:%02x:%02x","resp_l2_addr":"00:16:3e:00:00:01","community_id":"1:%x%x","vlan":%d,"peer_descr":"sensor-%d","geo.resp.country_code":"US","geo.resp.city":"-","orig_fuid":"F%x","resp_fuid":"F%x"}`,
		m.at.Unix(), m.at.Nanosecond()/1000, m.random.Uint64(), m.random.Uint32(), m.inside(), 32768+m.random.IntN(28000), m.outside(), m.random.IntN(60), m.random.IntN(1e6),
		m.random.IntN(20000), m.random.IntN(900000), m.random.IntN(90), m.random.IntN(30000), m.random.IntN(900), m.random.IntN(990000), m.random.IntN(256), m.random.IntN(256), m.random.IntN(256),
		m.random.Uint64(), m.random.Uint64(), m.random.IntN(40), m.random.IntN(8), m.random.Uint64(), m.random.Uint64())
}

func (m *Maker) cloudTrail() {
	i, who := m.random.IntN(len(calls)), m.random.IntN(60)
	m.add(`{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","principalId":"AIDA22BCD3EF4HI5JK%02d","arn":"arn:aws:iam::111122223333:user/team/app-%d","accountId":"111122223333","accessKeyId":"AKIA2222333344445555","userName":"app","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}},"eventTime":"%s","eventSource":"%s.amazonaws.com","eventName":"%s","awsRegion":"%s","sourceIPAddress":"%s","userAgent":"aws-sdk-go-v2/1.41 os/linux lang/go api/%s","requestParameters":{"id":"i-%016x"},"responseElements":null,"requestID":"%016x","eventID":"`,
		who, who, m.at.UTC().Format(time.RFC3339), services[i], calls[i], pick(m.random, regions), m.inside(), services[i], m.random.Uint64(), m.random.Uint64())
	m.hex(32)
	m.add(`","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}`)
}

func (m *Maker) inside() string {
	return fmt.Sprintf("10.%d.%d.%d", m.random.IntN(4), m.random.IntN(40), 1+m.random.IntN(250))
}

func (m *Maker) outside() string {
	return fmt.Sprintf("%d.%d.%d.%d", []int{192, 198, 203, 198}[m.random.IntN(4)], 18+m.random.IntN(80), m.random.IntN(256), 1+m.random.IntN(250))
}
