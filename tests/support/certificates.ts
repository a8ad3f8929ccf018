import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { run } from "../../lib/run";

/** A certificate and its private key, as PEM. */
export interface Certified {
  certificate: string;
  key: string;
}

/** An authority of the tests, which keeps its files in a folder. */
export class Authority {
  private constructor(private readonly folder: string) {}

  static async in(folder: string): Promise<Authority> {
    await mkdir(folder);
    const authority = new Authority(folder);
    await writeFile(path.join(folder, "ca.cnf"), CONFIGURATION);
    await writeFile(path.join(folder, "index.txt"), "");
    await authority.openssl("req -x509 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=authority", KEY);
    return authority;
  }

  certificate = (): Promise<string> => this.read("ca.pem");

  /** Certifies a name, for now or, expired, for the year 2020. */
  async certify(name: string, address = "192.0.2.1", { expired = false } = {}): Promise<Certified> {
    const file = `${name}-${String(expired)}`;
    const dates = expired ? "-startdate 20200101000000Z -enddate 20201231000000Z" : "-days 30";
    await writeFile(
      path.join(this.folder, `${file}.ext`),
      `subjectAltName=DNS:${name},IP:${address}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    await this.openssl(`req -nodes -keyout ${file}.key -out ${file}.csr -subj /CN=${name}`, KEY);
    await this.openssl(
      `ca -batch -config ca.cnf -rand_serial -notext -extfile ${file}.ext -in ${file}.csr -out ${file}.pem ${dates}`,
    );
    return { certificate: await this.read(`${file}.pem`), key: await this.read(`${file}.key`) };
  }

  private read = (file: string) => readFile(path.join(this.folder, file), "utf8");
  private openssl = (words: string, more: string[] = []) =>
    run("openssl", [...words.split(" "), ...more], { cwd: this.folder });
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const CONFIGURATION = `[ca]
default_ca = one
[one]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`;
