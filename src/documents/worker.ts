import { parentPort } from 'node:worker_threads'
import { answerTo, type Task, transferred } from './answer.ts'

// The thread's side: an empty message when it is ready, then an answer for each document.

parentPort?.on('message', (task: Task) => {
  const answer = answerTo(task)
  parentPort?.postMessage(answer, transferred(answer))
})
parentPort?.postMessage(undefined)
