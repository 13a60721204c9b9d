// Writes a fault of the host to the console: a line of JSON, like the entries of the server. `request` is
// the id in the response, if there is one.
export function log(event, message, request) {
	console.error(JSON.stringify({ level: "error", event, message, request }));
}
