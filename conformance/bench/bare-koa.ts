// The least that koa can do: it asks one URL once and answers everything with the same headers and bytes.
//
//   tsx conformance/bench/bare-koa.ts PORT URL
import Koa from 'koa'

const [port, url = ''] = process.argv.slice(2)
const response = await fetch(url)
const bytes = Buffer.from(await response.arrayBuffer())
// node:http writes those itself, as it does for us.
const headers = [...response.headers].filter(([name]) => !/^(?:connection|date|keep-alive)$/.test(name))
const app = new Koa()
app.use(ctx => {
  for (const [name, value] of headers) ctx.set(name, value)
  ctx.body = bytes
})
app.listen(Number(port), '127.0.0.1')
