import type { APIRequestContext } from '@playwright/test';

const home = process.env.HOLDFAST_URL ?? '';
const token = process.env.HOLDFAST_INPUT ?? '';

/** Sends records as a shipper does. */
export async function send(request: APIRequestContext, records: readonly unknown[]): Promise<void> {
  const answer = await request.post(`${home}/ingest/v1/events`, {
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/x-ndjson' },
    data: records.map((r) => JSON.stringify(r)).join('\n') + '\n',
  });
  if (!answer.ok()) throw new Error(`${answer.status()} ${await answer.text()}`);
}

/** The start of a process, as Sysmon tells of it. */
export function started(host: string, at: Date, pid: number, parent: number, image: string, command: string, user: string): unknown {
  return {
    Event: {
      System: { Provider: { '#attributes': { Name: 'Microsoft-Windows-Sysmon' } }, EventID: 1, TimeCreated: { '#attributes': { SystemTime: at.toISOString() } }, EventRecordID: pid, Channel: 'Microsoft-Windows-Sysmon/Operational', Computer: host },
      EventData: {
        UtcTime: at.toISOString().replace('T', ' ').replace('Z', ''), ProcessGuid: `{${host}-${pid}}`, ParentProcessGuid: `{${host}-${parent}}`, ProcessId: pid, ParentProcessId: parent, Image: image, CommandLine: command, User: user,
        ParentImage: parent === 1 ? 'C:\\Windows\\System32\\services.exe' : '',
      },
    },
  };
}

/** An evening on three hosts: much that is usual, and one thing that is not. */
export function evening(now: number): unknown[] {
  const out: unknown[] = [];
  const at = (minutes: number) => new Date(now - minutes * 60_000);
  for (let i = 0; i < 260; i++) {
    const host = ['web-1', 'web-2', 'desk-7'][i % 3] ?? '';
    const image = ['svchost.exe', 'chrome.exe', 'teams.exe', 'backup.exe'][i % 4] ?? '';
    out.push(started(host, at(230 - (i * 220) / 260), 1000 + i, 1, `C:\\Windows\\System32\\${image}`, `${image} -k ${i % 17}`, ['CORP\\anna', 'CORP\\ben', 'NT AUTHORITY\\SYSTEM'][i % 3] ?? ''));
  }
  const word = 'C:\\Program Files\\Office\\WINWORD.EXE';
  out.push(
    started('desk-7', at(42), 5000, 1, 'C:\\Windows\\explorer.exe', 'explorer.exe', 'CORP\\anna'),
    started('desk-7', at(41), 5001, 5000, word, `"${word}" invoice.docm`, 'CORP\\anna'),
    started('desk-7', at(40), 5002, 5001, 'C:\\Windows\\System32\\cmd.exe', 'cmd.exe /c powershell -w hidden', 'CORP\\anna'),
    started('desk-7', at(39), 5003, 5002, 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe', 'powershell -w hidden -enc SQBFAFgA', 'CORP\\anna'),
    started('desk-7', at(38), 5004, 5003, 'C:\\Windows\\System32\\whoami.exe', 'whoami /all', 'CORP\\anna'),
    started('desk-7', at(37), 5005, 5003, 'C:\\Users\\anna\\AppData\\rare.exe', 'rare.exe --beacon 203.0.113.66', 'CORP\\anna'),
  );
  for (let i = 0; i < 40; i++) out.push({ time: at(30 - i / 4).toISOString(), host: { name: 'gate-1' }, source: { ip: `198.51.100.${i % 9}` }, action: i % 5 === 0 ? 'allowed' : 'denied', port: 22 + (i % 3) });
  return out;
}

/** What an attacker would have us show. */
export const hostile = {
  host: { name: 'evil-1' }, source: { ip: '203.0.113.66' }, html: '<img src=x onerror="document.title=1"><script>document.title=1</script>',
  rtl: 'invoice\u202Excod.exe', nul: 'a\u0000b', long: `start ${'x'.repeat(64 << 10)} end`, "it's \"odd\"] | <b>": 'odd value', '\u202Eeman': 'turned',
};
