/** A token for MSK's IAM authentication, signed here with the credentials that the AWS SDK finds; it is good for 15 minutes and asked for at each connection. */
export async function mskToken(region: string): Promise<string> {
  const { generateAuthToken } = await import('aws-msk-iam-sasl-signer-js')
  return (await generateAuthToken({ region })).token
}
