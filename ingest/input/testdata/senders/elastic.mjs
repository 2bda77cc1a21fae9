// Sends with the bulk helper of the official client: node elastic.mjs URL TOKEN N
import {Client} from '@elastic/elasticsearch'

const [url, token, n] = process.argv.slice(2)
const client = new Client({node: url, auth: {apiKey: {id: 'holdfast', api_key: token}}, compression: true})
const info = await client.info()
const docs = Array.from({length: Number(n)}, (_, i) => ({'@timestamp': '2026-11-23T02:09:06.123Z', message: `line ${i}`, n: i}))
const done = await client.helpers.bulk({
  datasource: docs,
  flushBytes: 20000,
  onDocument: () => ({create: {_index: 'logs-app-default'}}),
  onDrop: (doc) => console.error('dropped', JSON.stringify(doc)),
})
console.log(JSON.stringify({version: info.version.number, successful: done.successful, failed: done.failed, retry: done.retry}))
