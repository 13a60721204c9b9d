// Verifies a signature for `es256.rs`. `point`, `message` and `signature` are views of wasm memory,
// which changes while the key is imported.
export async function verifyEs256(point, message, signature) {
	const [signed, proof] = [message.slice(), signature.slice()];
	const key = await crypto.subtle.importKey("raw", point, CURVE, false, ["verify"]);
	return crypto.subtle.verify(ALGORITHM, key, proof, signed);
}

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const ALGORITHM = { name: "ECDSA", hash: "SHA-256" };
