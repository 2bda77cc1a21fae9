package made

// A program starts others as it does on every machine of an office. Detection
// rules take anything else for an attack, so parents are not made by chance: of
// rarely process starts one is odd, as administrators' are.
type start struct {
	parent, image string
	line          string // # stands for a number that never comes again
}

const rarely = 100

const (
	system   = `C:\\Windows\\System32\\`
	manager  = system + `services.exe`
	host     = system + `svchost.exe`
	shell    = `C:\\Windows\\explorer.exe`
	chrome   = `C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe`
	edge     = `C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe`
	outlook  = `C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE`
	terminal = `C:\\Program Files\\Git\\usr\\bin\\bash.exe`
	git      = `C:\\Program Files\\Git\\mingw64\\bin\\git.exe`
	agent    = `C:\\Program Files\\Agent\\bin\\collector.exe`
	index    = system + `SearchIndexer.exe`
)

// starts are what is started, the most frequent first.
var starts = []start{
	{chrome, chrome, `\"` + chrome + `\" --type=renderer --field-trial-handle=#`},
	{edge, edge, `\"` + edge + `\" --type=utility --field-trial=#`},
	{manager, host, system + `svchost.exe -k netsvcs -p -s Schedule`},
	{host, system + `RuntimeBroker.exe`, system + `RuntimeBroker.exe -Embedding`},
	{host, system + `taskhostw.exe`, `taskhostw.exe -ctx #`},
	{agent, agent, `\"` + agent + `\" --job # --level info`},
	{terminal, git, `git.exe status --porcelain=v2 -z --untracked-files=#`},
	{index, system + `SearchProtocolHost.exe`, `\"` + system + `SearchProtocolHost.exe\" Global\\UsGthrFltPipeMssGthrPipe#_ Global\\UsGthrCtrlFltPipeMssGthrPipe 1`},
	{index, system + `SearchFilterHost.exe`, `\"` + system + `SearchFilterHost.exe\" 0 # 812 8192 808`},
	{host, system + `wbem\\WmiPrvSE.exe`, system + `wbem\\wmiprvse.exe -secured -Embedding`},
	{shell, chrome, `\"` + chrome + `\" --profile-directory=Default --window=#`},
	{host, system + `backgroundTaskHost.exe`, `\"` + system + `backgroundTaskHost.exe\" -ServerName:App.AppX#.mca`},
	{host, system + `dllhost.exe`, system + `DllHost.exe /Processid:{AB8902B4-09CA-4BB6-B78D-A8F59079A8D5}`},
	{shell, outlook, `\"` + outlook + `\" /recycle /session:#`},
	{manager, host, system + `svchost.exe -k LocalServiceNetworkRestricted -p -s lmhosts`},
}

// odd are what administrators start, and rules look at.
var odd = []start{
	{shell, system + `WindowsPowerShell\\v1.0\\powershell.exe`, `powershell.exe -NoProfile -File C:\\Scripts\\inventory-#.ps1`},
	{agent, system + `cmd.exe`, system + `cmd.exe /c dir \"C:\\Users\\Public\\#\"`},
	{shell, `C:\\Windows\\SysWOW64\\rundll32.exe`, `rundll32.exe C:\\Users\\Public\\plugin-#.dat,Start`},
}

// talkers are programs that connect to the Internet.
var talkers = []string{chrome, edge, host, agent, git, `C:\\Program Files\\Zoom\\bin\\Zoom.exe`}
