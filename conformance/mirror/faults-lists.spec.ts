import { describeFaults } from './describe-faults.ts'
import { LISTS } from './questions.ts'

describeFaults('faults: lists', LISTS)
