import { describeFaults } from './describe-faults.ts'
import { TOKENS } from './questions.ts'

describeFaults('faults: tokens', TOKENS)
