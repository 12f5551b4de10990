import { App, type Stack } from 'aws-cdk-lib'
import { Annotations, Match } from 'aws-cdk-lib/assertions'
import { AwsSolutionsChecks } from 'cdk-nag'
import { expect, test } from 'vitest'
console.log(App, Annotations, Match, AwsSolutionsChecks)
test('x', () => { expect(1).toBe(1) })
