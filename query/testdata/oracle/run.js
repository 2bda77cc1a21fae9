// Runs statements on ClickHouse in-process. Takes JSON on standard input:
// {"setup": [sql], "rows": [{…}], "queries": [{"sql": "", "args": ["", …]}]};
// writes one JSON line for each query: {"rows": [[…], …]} or {"error": ""}.
'use strict'

const fs = require('fs')
const { Session } = require('chdb')

const input = JSON.parse(fs.readFileSync(0, 'utf8'))
const session = new Session()
const settings = ' , output_format_json_quote_64bit_integers = 0, output_format_json_quote_denormals = 1'
try {
  for (const sql of input.setup) session.query(sql)
  session.query('INSERT INTO stored FORMAT JSONEachRow ' + input.rows.map((r) => JSON.stringify(r)).join('\n'))
  for (const q of input.queries) {
    const params = {}
    q.args.forEach((a, i) => { params['p' + (i + 1)] = a })
    let out
    try {
      const text = session.queryBind(input.relation + q.sql + settings, params, 'JSONCompactEachRow').toString()
      out = { rows: text.split('\n').filter((l) => l !== '').map((l) => l) }
    } catch (e) {
      out = { error: String(e.message || e) }
    }
    process.stdout.write(JSON.stringify(out) + '\n')
  }
} finally {
  session.close ? session.close() : session.cleanup()
}
