/** Where the program of a test server comes from. */
export interface ServerImage {
  /** The official image, by version and digest. The digest is that of the list of all platforms. */
  readonly official: string;
  /** What stands in for it where no image registry can be reached: built by images/build.sh of Sluice's repository. */
  readonly local: string;
  /** The version that images/build.sh builds. */
  readonly version: string;
}

/** The one place where the versions of test servers are written down, by the folder of the connector that needs them. */
export const serverImages: { readonly kafka: ServerImage } = {
  kafka: image('apache/kafka', '4.3.1', 'sha256:77e3df9054047a88b520d0cc46e16696d3b22022e1d580aeccd2632df6532837'),
};

function image(name: string, version: string, digest: string): ServerImage {
  const [program] = name.split('/').slice(-1);
  return { official: `${name}:${version}@${digest}`, local: `sluice-test/${program}:${version}`, version };
}
