// Serves the HTTP interface of ClickHouse, as far as the store of events uses it,
// over ClickHouse in-process. Arguments: a folder that outlives the process, and
// the port (0 for any); writes "port N" when it listens. Of ClickHouse itself are
// the SQL, the tables on disk, Parquet, deduplication and deletes; of this program
// the way from a request to them: parameters, settings, users, streams.
'use strict'

const fs = require('fs')
const http = require('http')
const path = require('path')
const { Session } = require('chdb')

const [dir, port] = process.argv.slice(2)
const users = JSON.parse(process.env.CLICKLAB_USERS || '{"default": ""}')
fs.mkdirSync(dir, { recursive: true })
const session = new Session(path.join(dir, 'data'))
const own = new Set(['query', 'database', 'query_id', 'default_format', 'wait_end_of_query', 'user', 'password'])
const unescape = (t) => t.replace(/\\([\\tnr0'])/g, (_, c) => ({ '\\': '\\', t: '\t', n: '\n', r: '\r', 0: '\0', "'": "'" })[c])
const quoted = (t) => "'" + t.replace(/\\/g, '\\\\').replace(/'/g, "\\'") + "'"
const running = new Map()
const log = process.env.CLICKLAB_LOG ? fs.createWriteStream(process.env.CLICKLAB_LOG, { flags: 'a' }) : null

function fail(res, code, text) {
  if (res.headersSent) return res.end('\r\n__exception__\r\nCode: ' + code + '. DB::Exception: ' + text + '\r\n')
  res.writeHead(code === 516 ? 403 : 500, { 'X-ClickHouse-Exception-Code': String(code) })
  res.end('Code: ' + code + '. DB::Exception: ' + text + '\n')
}

function codeOf(e) {
  const m = /Code: (\d+)/.exec(String(e.message || e))
  return m ? Number(m[1]) : 1002
}

// Settings belong to one request, so requests take turns.
let turn = Promise.resolve()
function exclusively(f) {
  const next = turn.then(f)
  turn = next.catch(() => {})
  return next
}

// body is a chunk of an answer. Each comes with the names and types before it,
// which an answer has once.
function body(bytes, format, first) {
  if (first || !format.endsWith('WithNamesAndTypes')) return bytes
  return bytes.subarray(bytes.indexOf(10, bytes.indexOf(10) + 1) + 1)
}

async function run(req, res, url, text, file) {
  const settings = [], params = {}
  for (const [k, v] of url.searchParams) {
    if (k.startsWith('param_')) params[k.slice(6)] = unescape(v)
    else if (!own.has(k)) settings.push([k, v])
  }
  let sql = url.searchParams.get('query') || text
  const id = url.searchParams.get('query_id') || ''
  if (log) log.write(JSON.stringify({ id, sql }) + '\n')
  const kill = /^KILL QUERY WHERE query_id = '((?:[^'\\]|\\.)*)'/.exec(sql)
  if (kill) {
    const q = running.get(unescape(kill[1]))
    if (q) q.killed = true
    return res.end()
  }
  if (file) sql = sql.replace(/FROM input\(/, 'FROM file(' + quoted(file) + ", 'Parquet', ").replace(/ FORMAT Parquet$/, '')
  const me = { killed: false }
  return exclusively(async () => {
    if (id) running.set(id, me)
    const readonly = settings.some(([k]) => k === 'readonly')
    const set = settings.filter(([k]) => k !== 'readonly' && k !== 'insert_quorum')
    try {
      if (readonly && !/^\s*(SELECT|WITH)\b/i.test(sql)) throw new Error('Code: 164. DB::Exception: readonly')
      session.query('USE ' + '`' + url.searchParams.get('database') + '`')
      for (const [k, v] of set) session.query('SET ' + k + ' = ' + quoted(v))
      const format = url.searchParams.get('default_format') || 'TabSeparated'
      if (!readonly) {
        session.queryBind(sql, params, format)
        return res.end()
      }
      if (format === 'Parquet') {
        const out = path.join(dir, 'out-' + process.pid + '.parquet')
        session.queryBind(sql + ' INTO OUTFILE ' + quoted(out) + ' TRUNCATE FORMAT Parquet', params, format)
        res.end(fs.readFileSync(out))
        fs.unlinkSync(out)
        return
      }
      const stream = session.queryStreamBind(sql, params, { format })
      let first = true
      try {
        for await (const chunk of stream) {
          if (me.killed) throw new Error('Code: 394. DB::Exception: Query was cancelled')
          if (res.destroyed) return
          const bytes = body(Buffer.from(chunk.raw()), format, first)
          first = false
          if (!res.write(bytes)) await new Promise((done) => { res.once('drain', done); res.once('close', done) })
        }
      } finally {
        stream.cancel()
      }
      res.end()
    } catch (e) {
      fail(res, codeOf(e), String(e.message || e))
    } finally {
      running.delete(id)
      for (const [k] of set) { try { session.query('SET ' + k + ' = DEFAULT') } catch { /* it was no setting */ } }
    }
  })
}

let bodies = 0
const server = http.createServer({ maxHeaderSize: 2 << 20 }, (req, res) => {
  const url = new URL(req.url, 'http://x')
  const user = req.headers['x-clickhouse-user'] || 'default'
  const chunks = []
  const streamed = url.searchParams.has('query')
  const file = streamed ? path.join(dir, 'body-' + process.pid + '-' + ++bodies + '.parquet') : ''
  const out = streamed ? fs.createWriteStream(file) : null
  req.on('data', (c) => { if (out) out.write(c); else chunks.push(c) })
  req.on('aborted', () => { if (out) { out.end(); fs.rmSync(file, { force: true }) } })
  req.on('end', async () => {
    if (out) await new Promise((done) => out.end(done))
    if (!(user in users) || users[user] !== (req.headers['x-clickhouse-key'] || '')) {
      if (file) fs.rmSync(file, { force: true })
      return fail(res, 516, user + ': Authentication failed')
    }
    await run(req, res, url, Buffer.concat(chunks).toString('utf8'), file)
    if (file) fs.rmSync(file, { force: true })
  })
})
for (const db of (process.env.CLICKLAB_DATABASES || 'holdfast').split(',')) session.query('CREATE DATABASE IF NOT EXISTS `' + db + '`')
server.listen(Number(port || 0), '127.0.0.1', () => process.stdout.write('port ' + server.address().port + '\n'))
