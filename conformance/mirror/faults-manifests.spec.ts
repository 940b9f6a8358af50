import { describeFaults } from './describe-faults.ts'
import { MANIFESTS } from './questions.ts'

describeFaults('faults: manifests', MANIFESTS)
