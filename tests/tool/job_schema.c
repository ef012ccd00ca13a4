/*
 * job_schema -- prints the JSON Schema of job files: `make schema` puts it into proto/.
 */
#include "job/spec_schema.h"

#include <stdio.h>

int main(void)
{
	struct bytes out = BYTES_LIMIT(0);
	if (job_schema_add(&out) != ERR_OK)
		return 1;
	size_t n = fwrite(out.p, 1, out.n, stdout);
	int rc = n == out.n && fflush(stdout) == 0 ? 0 : 1;
	bytes_fini(&out);
	return rc;
}
