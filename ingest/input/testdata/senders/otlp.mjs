// Sends with the OpenTelemetry SDK: node otlp.mjs URL TOKEN N
import {OTLPLogExporter} from '@opentelemetry/exporter-logs-otlp-http'
import {BatchLogRecordProcessor, LoggerProvider} from '@opentelemetry/sdk-logs'

const [url, token, n] = process.argv.slice(2)
const exporter = new OTLPLogExporter({url: `${url}/v1/logs`, headers: {authorization: `Bearer ${token}`}, compression: 'gzip'})
const provider = new LoggerProvider({processors: [new BatchLogRecordProcessor({exporter})]})
const logger = provider.getLogger('senders', '1.0')
for (let i = 0; i < Number(n); i++) {
  logger.emit({severityNumber: 9, severityText: 'INFO', body: `line ${i}`, attributes: {n: i, nested: {list: [1, 'two', true]}}})
}
await provider.forceFlush()
await provider.shutdown()
console.log('done')
