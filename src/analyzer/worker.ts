import { parentPort } from 'node:worker_threads'
import { answerTo } from './answer.ts'

// The thread's side: an empty message when it is ready, then an answer for each file.

parentPort?.on('message', (file: Uint8Array) => parentPort?.postMessage(answerTo(file)))
parentPort?.postMessage(undefined)
