import { describeFaults } from './describe-faults.ts'
import { BLOBS } from './questions.ts'

describeFaults('faults: blobs', BLOBS)
